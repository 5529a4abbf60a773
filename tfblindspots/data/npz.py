"""Reads NumPy archives of images and labels."""

import contextlib
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tfblindspots.artifacts import check_archive, fingerprint_arrays
from tfblindspots.data.cache import key_of_files
from tfblindspots.data.collecting import collect_images
from tfblindspots.data.dataset import ImageDataset
from tfblindspots.data.framing import Framing
from tfblindspots.data.lazy_images import Images
from tfblindspots.data.splits import resolve_split, split_infos
from tfblindspots.data.stored_rows import check_sound, stored_rows
from tfblindspots.data.survey import Survey, first_shape, is_large, survey
from tfblindspots.errors import InputError, first_line

_BATCH_SIZE = 1000
_ONLY_SPLIT = "test"
# Every class has a name: a label that is none would fill the memory with them.
_MOST_CLASSES = 1_000_000
_LABELS = {"images": "labels", "x": "y"}
# images; x_train as in Keras's mnist.npz; train_images as in MedMNIST's.
_KEY = re.compile(r"(?:(?P<before>\w+)_)?(?P<what>images|x)(?:_(?P<after>\w+))?")


def load_npz(
    path: Path, split: str, framing: Framing | None, progress: bool = False
) -> ImageDataset:
    """Loads images and labels from a ``.npz`` file.

    Args:
      path: the file. Arrays ``images`` and ``labels``, or ``x`` and ``y``, are one split, ``test``;
        ``x_train``, ``y_train``, ``x_test``, ``y_test`` (or ``train_images`` and so on) are splits
        of these names. Images are [N, H, W] or [N, H, W, C], of uint8 or of floats in [0, 1];
        labels [N] or [N, 1], integers from 0.
      split: in the split syntax of TFDS.
      framing: what to take of each image; None to leave them as they are.
      progress: show a bar where all are read once before they are read as needed; what is
        compressed (``np.savez_compressed``) never is.

    Returns:
      The images; its classes are all numbers up to the largest label in the file.

    Raises:
      InputError: the file is no such archive, or the split does not exist or is empty.
    """
    name = path.stem
    with contextlib.ExitStack() as stack:
        archive = _open(path, stack)
        keys = _splits(archive.files, path)
        labels = {
            key: _labels(_array(archive, label, path), label, path)
            for key, (_, label) in keys.items()
        }
        sizes = {key: len(values) for key, values in labels.items()}
        parts = resolve_split(name, split, split_infos(sizes))
        num_classes = 1 + max(int(values.max()) for values in labels.values() if values.size)
        indices = np.concatenate([positions for _, positions in parts])
        chosen = np.concatenate([labels[key][positions] for key, positions in parts])
        images: Images
        found = _survey(path, archive, keys, parts, chosen, framing, progress)
        if found is not None:
            images, fingerprint = found.images, found.fingerprint
        else:
            stored = {
                key: _images(_array(archive, keys[key][0], path), keys[key][0], sizes[key], path)
                for key, _ in parts
            }
            batches = (
                stored[key][positions[start : start + _BATCH_SIZE]]
                for key, positions in parts
                for start in range(0, len(positions), _BATCH_SIZE)
            )
            images = collect_images(name, batches, len(indices), framing)
            fingerprint = fingerprint_arrays(images, chosen)
    return ImageDataset(
        name=name,
        split=split,
        images=images,
        labels=chosen,
        indices=indices,
        num_classes=num_classes,
        class_names=tuple(str(number) for number in range(num_classes)),
        fingerprint=fingerprint,
    )


def _survey(
    path: Path,
    archive: np.lib.npyio.NpzFile,
    keys: Mapping[str, tuple[str, str]],
    parts: Sequence[tuple[str, np.ndarray]],
    labels: np.ndarray,
    framing: Framing | None,
    progress: bool,
) -> Survey | None:
    """What is known of images that are read as needed; None of such as fit in memory."""
    assert archive.zip is not None, "it is open"
    rows = [(keys[key][0], positions) for key, positions in parts]
    source = stored_rows(path, archive.zip, rows, labels)
    if source is None or not is_large(len(source), first_shape(path.stem, source, framing)):
        return None
    used = list(dict.fromkeys(key for key, _ in rows))
    try:
        check_sound(path, archive.zip, used)
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{', '.join(used)} of {path} cannot be read ({first_line(error)}); expected an array "
            "of numbers."
        ) from None
    order = [name for name, _ in rows]
    key = key_of_files([path], order, framing, *(positions for _, positions in parts))
    return survey(path.stem, source, framing, key, progress=progress)


def _open(path: Path, stack: contextlib.ExitStack) -> np.lib.npyio.NpzFile:
    try:
        # np.load leaves a path open when it turns out to be no archive.
        file = stack.enter_context(path.open("rb"))
        archive = np.load(file, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"dataset {path} does not exist; expected a .npz file.") from None
    except (ValueError, EOFError, MemoryError, NotImplementedError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is not a .npz file ({first_line(error)}).") from None
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise InputError(f"{path} holds a single array; expected a .npz file of np.savez.")
    stack.enter_context(archive)
    assert archive.zip is not None, "it was opened just now"
    check_archive(archive.zip, path, in_parts=True)
    return archive


def _splits(files: list[str], path: Path) -> dict[str, tuple[str, str]]:
    """From each split to the names of its images and labels."""
    splits = {}
    for key in files:
        match = _KEY.fullmatch(key)
        if not match:
            continue
        what, before, after = match["what"], match["before"], match["after"]
        label = "_".join(part for part in (before, _LABELS[what], after) if part)
        if label in files:
            splits[before or after or _ONLY_SPLIT] = (key, label)
    if not splits:
        raise InputError(
            f"{path} holds {', '.join(files) or 'nothing'}; expected images and labels, or x_train "
            "and y_train, x_test and y_test."
        )
    return splits


def _array(archive: np.lib.npyio.NpzFile, key: str, path: Path) -> np.ndarray:
    try:
        array = archive[key]
    # Object arrays, shapes that are not the data's, headers that are none, encrypted or damaged
    # members end in errors of many types, deep in NumPy and zipfile.
    except Exception as error:
        raise InputError(
            f"{key} of {path} cannot be read ({first_line(error)}); expected an array of numbers."
        ) from None
    # NumPy gives the bytes of what is no .npy file.
    if not isinstance(array, np.ndarray):
        raise InputError(f"{key} of {path} is no .npy file; expected an array of numbers.")
    return array


def _labels(labels: np.ndarray, key: str, path: Path) -> np.ndarray:
    found = f"{key} of {path} has shape {list(labels.shape)} and type {labels.dtype}"
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2:
        raise InputError(
            f"{found}; expected one integer an image. Save one-hot labels as labels.argmax(axis=1)."
        )
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"{found}; expected one integer an image, [N] or [N, 1].")
    for label in (labels.min(), labels.max()) if labels.size else ():
        if not 0 <= label < _MOST_CLASSES:
            raise InputError(
                f"{key} of {path} has the label {label}; expected numbers of classes, from 0."
            )
    return labels.astype(np.int64)


def _images(images: np.ndarray, key: str, count: int, path: Path) -> np.ndarray:
    numbers = images.dtype == np.uint8 or np.issubdtype(images.dtype, np.floating)
    if images.ndim not in (3, 4) or not numbers:
        raise InputError(
            f"{key} of {path} has shape {list(images.shape)} and type {images.dtype}; expected "
            "[N, height, width] or [N, height, width, channels] of uint8, or of floats in [0, 1]."
        )
    if len(images) != count:
        raise InputError(
            f"{path} has {len(images)} images in {key}, and {count} labels for them; expected as "
            "many labels as images."
        )
    return images if images.ndim == 4 else images[..., np.newaxis]
