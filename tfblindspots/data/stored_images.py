"""Reads single images from where they are stored, several at a time, and only as they were."""

import collections
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

import numpy as np
import tensorflow as tf

from tfblindspots.data.collecting import unit_range
from tfblindspots.data.framing import Framing
from tfblindspots.errors import InputError

# What decoding what is no image ends in.
UNDECODABLE = tf.errors.InvalidArgumentError
# Images that are read before they are asked for, a thread.
_AHEAD = 4
_MOST_THREADS = 16

Row = TypeVar("Row")
Result = TypeVar("Result")


class Source(Protocol):
    """Where images are stored, each of which can be read by itself, in any order."""

    def __len__(self) -> int:
        """Images, also such as cannot be decoded."""

    def read(self, row: int) -> bytes:
        """An image as it is stored.

        Raises:
          OSError: it cannot be read.
        """

    def decode(self, row: int, content: bytes) -> tuple[np.ndarray, int]:
        """The pixels [h, w, C], uint8 or floats in [0, 1], and the label.

        Raises:
          tf.errors.InvalidArgumentError: it is no image.
        """

    def place(self, row: int) -> str:
        """Which image this is, for messages: its file."""


def read_stored(source: Source, row: int) -> bytes:
    """An image as it is stored.

    A disk or a network that fails says nothing of the image: it does not count as one that cannot
    be decoded, which would be left out from then on.

    Raises:
      InputError: it cannot be read.
    """
    try:
        return source.read(row)
    except OSError as error:
        raise InputError(
            f"{source.place(row)} cannot be read ({error.strerror or error}); expected a file that "
            "can be. See to that, or take it away, and rerun the same command."
        ) from None


class StoredImages:
    """From rows of a source to images; what a ``LazyImages`` reads with.

    Args:
      name: of the dataset, for messages.
      source: where they are stored.
      framing: what to take of each image; None where all have one size.
      image_shape: H, W, C of all images; grey ones among colour ones are repeated.
      checksums: CRC-32 of each image as it was stored when all were first read, uint32 [rows].
    """

    def __init__(
        self,
        name: str,
        source: Source,
        framing: Framing | None,
        image_shape: tuple[int, ...],
        checksums: np.ndarray,
    ) -> None:
        self._name = name
        self._source = source
        self._framing = framing
        self._image_shape = image_shape
        self._checksums = checksums

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Float32 [n, H, W, C] of rows int64 [n].

        Raises:
          InputError: an image is gone, or is not the one that was there at first.
        """
        images = np.empty((len(rows), *self._image_shape), np.float32)
        for i, image in enumerate(in_threads(self._image, rows.tolist())):
            images[i] = image[0]
        return images

    def _image(self, row: int) -> np.ndarray:
        try:
            content = self._source.read(row)
        except OSError as error:
            raise self._lost(row, f"cannot be read any more ({error.strerror or error})") from None
        if zlib.crc32(content) != self._checksums[row]:
            raise self._lost(row, "has been changed or damaged since it was first read")
        return unit_range(self._name, self._source.decode(row, content)[0][None], self._framing)

    def _lost(self, row: int, problem: str) -> InputError:
        return InputError(
            f"{self._source.place(row)} {problem}; expected the data as it was. Copy it there "
            "again and rerun the same command: what is finished stays."
        )


def in_threads(function: Callable[[Row], Result], rows: Iterable[Row]) -> Iterator[Result]:
    """The results in order, a few computed ahead, one thread a core: TensorFlow frees the GIL."""
    threads = min(os.cpu_count() or 1, _MOST_THREADS)
    waiting: collections.deque[Future[Result]] = collections.deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for row in rows:
                waiting.append(pool.submit(function, row))
                if len(waiting) == _AHEAD * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
