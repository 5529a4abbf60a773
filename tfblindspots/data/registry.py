"""Datasets by name, and by the path of what holds them."""

import dataclasses
import difflib
import os
from collections.abc import Callable
from pathlib import Path

import tensorflow_datasets as tfds

from tfblindspots.artifacts import fingerprint_arrays
from tfblindspots.data.collecting import collect_images
from tfblindspots.data.dataset import ImageDataset
from tfblindspots.data.digits import load_digits
from tfblindspots.data.framing import Framing
from tfblindspots.data.image_folder import load_image_folder
from tfblindspots.data.lazy_images import in_memory
from tfblindspots.data.npz import load_npz
from tfblindspots.data.tfds_reader import load_from_directory, load_from_tfds
from tfblindspots.errors import InputError

# From a name to what loads it: (split, data_dir) -> ImageDataset. Other names are those of TFDS.
DATASETS: dict[str, Callable[[str, str | None], ImageDataset]] = {"digits": load_digits}


def load_dataset(
    name: str,
    split: str,
    data_dir: str | None = None,
    *,
    image_size: tuple[int, int] | None = None,
    short_side: int | None = None,
    progress: bool = False,
) -> ImageDataset:
    """Loads a dataset's split: into memory, or to be read when needed if it takes over a GiB.

    What is read when needed is read once before, for its fingerprint and to see which photos can
    be decoded; that is kept in a cache (see ``cache_directory``), for the next start.

    Args:
      name: ``'digits'``; a TensorFlow Datasets name such as ``'mnist'`` or ``'mnist:3.0.1'``, which
        is downloaded when it is not there; or the path of a directory as TFDS writes it, of a
        folder of images (see ``load_image_folder``) or of a ``.npz`` file (see ``load_npz``).
      split: which images, in the split syntax of TFDS: ``'train'``, ``'train[:500]'``,
        ``'test[10%:]'``, ``'train+test'``.
      data_dir: where TFDS keeps its datasets; None for its default (``TFDS_DATA_DIR``, else
        ``~/tensorflow_datasets``).
      image_size: height and width, pixels, to which every image is scaled and cropped in the
        middle; None for images that have one size already, which are left as they are.
      short_side: of the scaled images before they are cropped, pixels; None as for ``Framing``.
      progress: show a bar while all images are read for the first time.

    Returns:
      The images in the order of the split, so that ``indices`` finds them again.

    Raises:
      InputError: the name or the split does not exist, the split is empty, the data cannot be
        downloaded, or it is not images of one size with one class each.
    """
    if short_side is not None and image_size is None:
        raise InputError("short_side is given without image_size, the crop that is taken; give it.")
    framing = None if image_size is None else Framing(image_size, short_side)
    if name in DATASETS:
        return _framed(DATASETS[name](split, data_dir), framing)
    path = Path(name).expanduser()
    if path.suffix == ".npz":
        return load_npz(path, split, framing, progress)
    if (path / "dataset_info.json").is_file():
        return load_from_directory(path, split, framing, progress)
    if _is_path(name) or (path.is_dir() and name not in _tfds_names()):
        _check_directory(path)
        return load_image_folder(path, split, framing, progress)
    try:
        return load_from_tfds(name, split, data_dir, framing, progress)
    except tfds.core.registered.DatasetNotFoundError:
        raise InputError(_unknown(name)) from None


def _framed(dataset: ImageDataset, framing: Framing | None) -> ImageDataset:
    if framing is None:
        return dataset
    batches = [in_memory(dataset.images, "scaling")]
    images = collect_images(dataset.name, batches, len(dataset.images), framing)
    fingerprint = fingerprint_arrays(images, dataset.labels)
    return dataclasses.replace(dataset, images=images, fingerprint=fingerprint)


def _is_path(name: str) -> bool:
    return Path(name).is_absolute() or name.startswith((".", "~")) or name.endswith(os.sep)


def _check_directory(path: Path) -> None:
    if not path.is_dir():
        raise InputError(
            f"dataset directory {path} does not exist; expected a folder of images, a directory "
            "that TFDS wrote, or a .npz file."
        )
    versions = sorted(str(info.parent) for info in path.glob("*/dataset_info.json"))
    if versions:
        raise InputError(
            f"dataset directory {path} has no dataset_info.json; did you mean {versions[-1]}?"
        )


def _tfds_names() -> list[str]:
    return list(tfds.list_builders(with_community_datasets=False))


def _unknown(name: str) -> str:
    # The usual cutoff, 0.6, takes toto for photos.
    close = difflib.get_close_matches(name, [*DATASETS, *_tfds_names()], cutoff=0.7)
    suggestion = f" (did you mean {' or '.join(close)}?)" if close else ""
    return (
        f"dataset '{name}' is unknown{suggestion}; expected {', '.join(DATASETS)}, a TensorFlow "
        "Datasets name such as mnist, or the path of a folder of images, a .npz file or a TFDS "
        "directory."
    )
