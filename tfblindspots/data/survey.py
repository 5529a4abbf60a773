"""The one pass over data too large for the memory, after which images are read as needed."""

import math
import zlib
from typing import NamedTuple

import numpy as np
from absl import logging
from tqdm import tqdm

from tfblindspots.artifacts import Fingerprint
from tfblindspots.data.cache import Arrays, cached
from tfblindspots.data.collecting import common_shape, unit_range
from tfblindspots.data.framing import Framing
from tfblindspots.data.lazy_images import LazyImages
from tfblindspots.data.stored_images import (
    UNDECODABLE,
    Source,
    StoredImages,
    in_threads,
    read_stored,
)
from tfblindspots.errors import InputError, first_line

# Bytes of float32 images; a dataset of more is not held in memory.
MOST_IN_MEMORY = 1 << 30

# Of each array in the cache: type and rank.
_KINDS = {
    "image_shape": ("<i8", 1),
    "failed": ("<i8", 1),
    "labels": ("<i8", 1),
    "checksums": ("<u4", 1),
    "fingerprint": ("|u1", 1),
}

Shape = tuple[int, ...]


class Survey(NamedTuple):
    """What is known of a dataset once all of it was read."""

    images: LazyImages  # those that can be decoded
    labels: np.ndarray  # int64 [N]
    failed: np.ndarray  # int64 [F], rows of the source that cannot be decoded
    fingerprint: str  # as ``fingerprint_arrays(images, labels)`` would give


def is_large(count: int, image_shape: Shape) -> bool:
    """Whether images are read as needed: together they take more than ``MOST_IN_MEMORY``."""
    return count * math.prod(image_shape) * np.dtype(np.float32).itemsize > MOST_IN_MEMORY


def first_shape(name: str, source: Source, framing: Framing | None) -> Shape:
    """The shape H, W, C of the first image that can be decoded; of none where none can.

    Args:
      name: the dataset's, for messages.
      source: of the images.
      framing: what is taken of each.

    Raises:
      InputError: that image is none of numbers in [0, 1], or a file cannot be read.
    """
    for row in range(len(source)):
        try:
            image, _ = source.decode(row, read_stored(source, row))
        except UNDECODABLE:
            continue
        return unit_range(name, image[None], framing).shape[1:]
    return (0, 0, 0)


def survey(
    name: str,
    source: Source,
    framing: Framing | None,
    key: str,
    *,
    may_fail: bool = False,
    progress: bool = False,
) -> Survey:
    """Reads all images once, unless an earlier process has, and keeps what was found.

    Where some cannot be decoded, or the first are grey and others not, there is a second pass: the
    fingerprint begins with the number of images and of channels.

    Args:
      name: the dataset's, for messages.
      source: of the images.
      framing: what to take of each; None where all have one size.
      key: changes when the data or what is taken of them does.
      may_fail: images that cannot be decoded are left out, and are an error otherwise.
      progress: show a bar.

    Raises:
      InputError: as ``collect_images``; a file cannot be read; an image cannot be decoded, unless
        it may. Then nothing is kept.
    """
    count = len(source)

    def compute() -> Arrays:
        logging.info("Reading all %s images of %s once, for their fingerprint.", count, name)
        return _read_all(name, source, framing, may_fail, progress)

    def valid(arrays: Arrays) -> bool:
        kinds = {key: (array.dtype.str, array.ndim) for key, array in arrays.items()}
        return kinds == _KINDS and all(len(arrays[of]) == count for of in ("labels", "checksums"))

    found = cached("survey", key, compute, valid)
    height, width, channels = found["image_shape"].tolist()
    shape = (height, width, channels)
    stored = StoredImages(name, source, framing, shape, found["checksums"])
    good = np.delete(np.arange(count), found["failed"])
    return Survey(
        LazyImages(stored, good, shape),
        found["labels"][good],
        found["failed"],
        found["fingerprint"].tobytes().hex(),
    )


def _read_all(
    name: str, source: Source, framing: Framing | None, may_fail: bool, progress: bool
) -> Arrays:
    labels = np.full(len(source), -1, np.int64)
    checksums = np.zeros(len(source), np.uint32)

    def one(row: int) -> np.ndarray | Exception:
        content = read_stored(source, row)
        try:
            image, labels[row] = source.decode(row, content)
        except UNDECODABLE as error:
            return error
        checksums[row] = zlib.crc32(content)
        return unit_range(name, image[None], framing)[0]

    def one_pass(rows: list[int], expected: Shape | None) -> tuple[Shape | None, list[int], str]:
        """The shape of all images; rows that failed; the fingerprint if all was as expected."""
        fingerprint, shape = Fingerprint(), expected
        failed: list[int] = []
        images = in_threads(one, rows)
        shown = tqdm(images, f"read {name}", len(rows), unit="img", disable=not progress)
        for row, image in zip(rows, shown, strict=True):
            if isinstance(image, Exception):
                if not may_fail:
                    raise InputError(
                        f"{source.place(row)} cannot be read ({first_line(image)}); expected an "
                        "image. Prepare or copy the dataset anew."
                    )
                failed.append(row)
                continue
            shape = common_shape(name, shape, image.shape, framing)
            if expected is None:
                expected = shape
            if row == rows[0]:
                fingerprint.begin(image.dtype, (len(rows), *expected))
            if expected == shape and not failed:
                fingerprint.add(np.broadcast_to(image, shape))
        fingerprint.begin(labels.dtype, (len(rows),))
        fingerprint.add(labels[rows])
        return shape, failed, fingerprint.hexdigest() if expected == shape and not failed else ""

    shape, failed, fingerprint = one_pass(list(range(len(source))), None)
    if not fingerprint:
        good = np.delete(np.arange(len(source)), failed).tolist()
        shape, changed, fingerprint = one_pass(good, shape)
        if changed:
            raise InputError(
                f"{source.place(changed[0])} was changed while it was read; expected files that "
                "stay as they are. Rerun the same command."
            )
    return {
        "image_shape": np.array(shape, np.int64),
        "failed": np.array(failed, np.int64),
        "labels": labels,
        "checksums": checksums,
        "fingerprint": np.frombuffer(bytes.fromhex(fingerprint), np.uint8),
    }
