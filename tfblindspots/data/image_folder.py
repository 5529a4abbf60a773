"""Reads folders of photos: one sub-folder a class, or one a split that holds those."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from absl import logging

from tfblindspots.artifacts import fingerprint_arrays
from tfblindspots.data.cache import key_of_files
from tfblindspots.data.collecting import collect_images
from tfblindspots.data.dataset import ImageDataset
from tfblindspots.data.framing import Framing
from tfblindspots.data.lazy_images import Images
from tfblindspots.data.splits import resolve_split, split_infos
from tfblindspots.data.stored_images import UNDECODABLE, read_stored
from tfblindspots.data.survey import first_shape, is_large, survey
from tfblindspots.errors import InputError

# The split of a folder that has no splits: the one that most scripts take when none is named.
ONLY_SPLIT = "test"
_NAMED = 5  # photos that the warning names


class _Photo(NamedTuple):
    path: str  # a million of them are half as large as of Path
    label: int


class _Photos:
    """A ``Source``."""

    def __init__(self, photos: list[_Photo]) -> None:
        self._photos = photos

    def __len__(self) -> int:
        return len(self._photos)

    def read(self, row: int) -> bytes:
        path = Path(self._photos[row].path)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            if path.is_symlink():
                return b""  # A link that leads nowhere is no photo.
            raise

    def decode(self, row: int, content: bytes) -> tuple[np.ndarray, int]:
        # Of an animation the first frame.
        image = tf.io.decode_image(content, expand_animations=False).numpy()
        return image[..., : {2: 1, 4: 3}.get(image.shape[-1])], self._photos[row].label

    def place(self, row: int) -> str:
        return self._photos[row].path


def load_image_folder(
    directory: Path, split: str, framing: Framing | None, progress: bool = False
) -> ImageDataset:
    """Loads photos from ``DIRECTORY/CLASS/FILE`` or ``DIRECTORY/SPLIT/CLASS/FILE``.

    Classes are numbered in the sorted order of their folders' names, over all splits; photos come
    by class, then by file name, and ``indices`` count the files. Every file is taken for a photo
    but hidden ones (``.name``). Alpha channels are dropped.

    Args:
      directory: the folder. One of classes alone is one split, ``test``.
      split: in the split syntax of TFDS.
      framing: what to take of each photo; None where all have one size.
      progress: show a bar where all are read once before they are read as needed.

    Returns:
      The photos. Those that TensorFlow cannot decode (it knows JPEG, PNG, GIF, BMP and WebP) are
      left out, warned of, and named in ``skipped``.

    Raises:
      InputError: there are no class folders, the split does not exist or has no photo that can be
        decoded, a file cannot be read, or sizes differ where ``framing`` is None.
    """
    name = directory.resolve().name
    splits, class_names = _scan(directory)
    parts = resolve_split(name, split, split_infos({key: len(splits[key]) for key in splits}))
    photos = [splits[key][position] for key, positions in parts for position in positions]
    labels = np.array([photo.label for photo in photos], np.int64)
    source = _Photos(photos)
    images: Images
    if is_large(len(photos), first_shape(name, source, framing)):
        key = key_of_files((photo.path for photo in photos), framing, labels)
        found = survey(name, source, framing, key, may_fail=True, progress=progress)
        images, failed, fingerprint = found.images, found.failed.tolist(), found.fingerprint
    else:
        failed = []
        images = collect_images(name, _decoded(source, failed), len(photos), framing)
        fingerprint = fingerprint_arrays(images, np.delete(labels, failed))
    skipped = tuple(
        Path(photos[number].path).relative_to(directory).as_posix() for number in failed
    )
    if skipped:
        more = ", ..." if len(skipped) > _NAMED else ""
        logging.warning(
            "Skipped %d of %d photos of %s, which cannot be decoded: %s%s.",
            len(skipped),
            len(photos),
            name,
            ", ".join(skipped[:_NAMED]),
            more,
        )
    return ImageDataset(
        name=name,
        split=split,
        images=images,
        labels=np.delete(labels, failed),
        indices=np.delete(np.concatenate([positions for _, positions in parts]), failed),
        num_classes=len(class_names),
        class_names=class_names,
        fingerprint=fingerprint,
        skipped=skipped,
    )


def _scan(directory: Path) -> tuple[dict[str, list[_Photo]], tuple[str, ...]]:
    """The photos of each split, and the names of the classes."""
    folders = _folders(directory)
    nested = [folder for folder in folders if _folders(folder)]
    if not folders:
        raise InputError(
            f"dataset directory {directory} has neither sub-folders nor a dataset_info.json; "
            "expected one sub-folder of images a class, or a directory that TFDS wrote."
        )
    if nested and len(nested) < len(folders):
        flat = next(folder for folder in folders if folder not in nested)
        raise InputError(
            f"in dataset directory {directory}, {nested[0].name} holds folders and {flat.name} "
            "does not; expected one sub-folder a class, or one a split (train, test) that each "
            "hold one a class."
        )
    splits = {folder.name: folder for folder in nested} or {ONLY_SPLIT: directory}
    classes = {key: _folders(folder) for key, folder in splits.items()}
    class_names = sorted({folder.name for found in classes.values() for folder in found})
    numbers = {name: number for number, name in enumerate(class_names)}
    photos = {
        key: [_Photo(path, numbers[folder.name]) for folder in found for path in _photos(folder)]
        for key, found in classes.items()
    }
    for key, found in classes.items():
        filled = {photo.label for photo in photos[key]}
        for folder in found:
            # It still counts as a class: in other splits it may have photos.
            if numbers[folder.name] not in filled:
                logging.warning("The class folder %s is empty.", folder)
    return photos, tuple(class_names)


def _photos(folder: Path) -> list[str]:
    inner = _folders(folder)
    if inner:
        raise InputError(
            f"the class folder {folder} holds the folder {inner[0].name}; expected images only."
        )
    with os.scandir(folder) as entries:
        return sorted(entry.path for entry in entries if not entry.name.startswith("."))


def _folders(directory: Path) -> list[Path]:
    with os.scandir(directory) as entries:
        found = [entry.name for entry in entries if entry.is_dir()]
    return [directory / name for name in sorted(found) if not name.startswith(".")]


def _decoded(source: _Photos, failed: list[int]) -> Iterator[np.ndarray]:
    """Each photo as a batch of one; the numbers of those that cannot be decoded go to ``failed``.

    Raises:
      InputError: no photo can be decoded, or a file cannot be read.
    """
    for number in range(len(source)):
        try:
            image, _ = source.decode(number, read_stored(source, number))
        except UNDECODABLE:
            failed.append(number)
            continue
        yield image[np.newaxis]
    if len(failed) == len(source):
        raise InputError(
            f"none of {len(source)} files can be decoded as an image, the first being "
            f"{source.place(0)}; expected JPEG, PNG, GIF, BMP or WebP."
        )
