"""Reads datasets that TensorFlow Datasets wrote, or writes for us on first use."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from tfblindspots.artifacts import fingerprint_arrays
from tfblindspots.data.cache import key_of_files
from tfblindspots.data.collecting import collect_images
from tfblindspots.data.dataset import ImageDataset
from tfblindspots.data.download import prepare, quietly
from tfblindspots.data.feature_classes import check_feature_classes
from tfblindspots.data.framing import Framing
from tfblindspots.data.lazy_images import Images
from tfblindspots.data.splits import resolve_split
from tfblindspots.data.survey import Survey, is_large, survey
from tfblindspots.data.tfrecords import TFRecords, find_records
from tfblindspots.errors import InputError, first_line

_BATCH_SIZE = 1000


def load_from_tfds(
    name: str, split: str, data_dir: str | None, framing: Framing | None, progress: bool
) -> ImageDataset:
    """Loads a dataset that TFDS knows by name, downloading it when it is not there.

    Raises:
      tfds.core.registered.DatasetNotFoundError: TFDS does not know the name.
      InputError: as for ``load_dataset``.
    """
    try:
        with quietly():
            builder = tfds.builder(name, data_dir=data_dir)
    except tfds.core.registered.DatasetNotFoundError:
        raise
    # A name can lead to any dataset's own code: there is no list of what that may raise.
    except Exception as error:
        raise InputError(
            f"dataset '{name}' cannot be used: {first_line(error)}; expected a TensorFlow Datasets "
            "name such as mnist, mnist:3.0.1 or cifar10_corrupted/blur_1."
        ) from None
    _check_features(builder)
    prepare(builder)
    return _read(builder, split, framing, progress)


def load_from_directory(
    directory: Path, split: str, framing: Framing | None, progress: bool
) -> ImageDataset:
    """Loads a dataset from the directory that TFDS wrote, the one with ``dataset_info.json``.

    Raises:
      InputError: as for ``load_dataset``.
    """
    check_feature_classes(directory)
    try:
        builder = tfds.builder_from_directory(directory)
    # Damaged metadata end in errors of many types, deep in TFDS.
    except Exception as error:
        raise InputError(
            f"dataset directory {directory} cannot be read ({first_line(error)}); expected what "
            "TensorFlow Datasets writes. Prepare or copy it anew."
        ) from None
    _check_features(builder)
    return _read(builder, split, framing, progress)


def _check_features(builder: tfds.core.DatasetBuilder) -> None:
    features = builder.info.features
    found = dict(features) if isinstance(features, tfds.features.FeaturesDict) else {}
    image, label = found.get("image"), found.get("label")
    if image is None or not isinstance(label, tfds.features.ClassLabel):
        raise InputError(
            f"dataset {builder.name} has the features {', '.join(sorted(found)) or features}; "
            "expected an 'image' and a 'label' that is a ClassLabel."
        )
    if len(image.shape) != 3 or image.np_dtype not in (np.uint8, np.float32):
        raise InputError(
            f"dataset {builder.name} has images of shape {image.shape} and type "
            f"{np.dtype(image.np_dtype).name}; expected [height, width, channels] of uint8, or of "
            "float32 in [0, 1]."
        )


def _read(
    builder: tfds.core.DatasetBuilder, split: str, framing: Framing | None, progress: bool
) -> ImageDataset:
    name = (
        builder.name
        if not builder.builder_config
        else (f"{builder.name}/{builder.builder_config.name}")
    )
    parts = resolve_split(name, split, builder.info.splits)
    indices = np.concatenate([positions for _, positions in parts])
    images: Images
    found = _survey(builder, name, split, parts, framing, progress)
    if found is not None:
        images, labels, fingerprint = found.images, found.labels, found.fingerprint
    else:
        batches: list[np.ndarray] = []
        try:
            images = collect_images(name, _batches(builder, split, batches), len(indices), framing)
        except (tf.errors.OpError, OSError) as error:
            raise _damaged(builder, {part for part, _ in parts}, error) from None
        labels = np.concatenate(batches).astype(np.int64)
        fingerprint = fingerprint_arrays(images, labels)
    label_feature = builder.info.features["label"]
    return ImageDataset(
        name=name,
        split=split,
        images=images,
        labels=labels,
        indices=indices,
        num_classes=label_feature.num_classes,
        class_names=tuple(label_feature.names),
        fingerprint=fingerprint,
    )


def _damaged(builder: tfds.core.DatasetBuilder, used: set[str], error: Exception) -> InputError:
    """Which of the files that could not be read is at fault; TensorFlow does not say."""
    if builder.info.file_format == tfds.core.FileFormat.TFRECORD:
        for part in used:
            info = builder.info.splits[part]
            for path, count in zip(info.filepaths, info.shard_lengths, strict=True):
                try:
                    find_records(str(path), count)
                except InputError as found:
                    return found
    return InputError(
        f"dataset {builder.name} cannot be read ({first_line(error)}); expected what TensorFlow "
        "Datasets writes. Prepare or copy it anew."
    )


def _survey(
    builder: tfds.core.DatasetBuilder,
    name: str,
    split: str,
    parts: list[tuple[str, np.ndarray]],
    framing: Framing | None,
    progress: bool,
) -> Survey | None:
    """What is known of images that are read as needed; None of such as fit in memory."""
    infos = builder.info.splits
    count = sum(len(positions) for _, positions in parts)
    shape = builder.info.features["image"].shape
    if None in shape:
        shape = next(_batches(builder, split, [])).shape[1:]
    if framing is not None:
        shape = (*framing.image_size, shape[-1])
    if not is_large(count, shape):
        return None
    # Of other formats, and on a remote file system, the files are left to TensorFlow.
    local = os.path.isdir(builder.data_path)  # noqa: PTH112 - a Path would change gs://
    if not local or builder.info.file_format != tfds.core.FileFormat.TFRECORD:
        return None
    used = list(dict.fromkeys(part for part, _ in parts))
    files = [str(path) for part in used for path in infos[part].filepaths]
    firsts = np.cumsum([0, *(infos[part].num_examples for part in used)])
    chosen = np.concatenate([firsts[used.index(part)] + positions for part, positions in parts])
    counts = [length for part in used for length in infos[part].shard_lengths]
    source = TFRecords(files, counts, chosen, builder.info.features)
    key = key_of_files([*files, str(builder.data_path / "features.json")], framing, chosen)
    return survey(name, source, framing, key, progress=progress)


def _batches(
    builder: tfds.core.DatasetBuilder, split: str, labels: list[np.ndarray]
) -> Iterator[np.ndarray]:
    """Images as stored, in the order of the split; their labels go to ``labels``."""
    data = builder.as_dataset(
        split=split,
        shuffle_files=False,
        # One file after the other: an example's place is its position in the split.
        read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
    ).map(lambda example: (example["image"], example["label"]))
    one_size = None not in builder.info.features["image"].shape
    for images, batch in data.batch(_BATCH_SIZE if one_size else 1).as_numpy_iterator():
        labels.append(batch)
        yield images
