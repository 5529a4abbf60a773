"""Images that are read when they are needed: what stands for an array that would not fit."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tfblindspots.artifacts import machine_memory
from tfblindspots.errors import InputError

# Bytes of images that are read, hashed or predicted at a time where nothing else says how many.
_BATCH_BYTES = 1 << 26
# Of the machine's memory; the rest is for what is made of the images.
_LARGEST_PART = 0.5


class LazyImages:
    """Images float32 [N, H, W, C] that look like an array, and of which nothing is kept.

    Indexing with an integer, a slice, or an array of integers or booleans reads just these images
    and gives what the array would give. There are no other operations: whoever needs all images at
    once says so with ``in_memory``.

    Args:
      read: from rows of the source, int64 [n] in any order, to float32 [n, H, W, C].
      rows: the images' rows in the source, int64 [N].
      image_shape: H, W, C.
    """

    dtype = np.dtype(np.float32)
    ndim = 4

    def __init__(
        self,
        read: Callable[[np.ndarray], np.ndarray],
        rows: np.ndarray,
        image_shape: tuple[int, int, int],
    ) -> None:
        self._read = read
        self._rows = rows
        self._image_shape = image_shape

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N, H, W, C."""
        return (len(self._rows), *self._image_shape)

    @property
    def nbytes(self) -> int:
        """Bytes that all of them would take."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"LazyImages(shape={self.shape})"

    def __getitem__(self, where: Any) -> np.ndarray:
        """Reads images.

        Args:
          where: an integer, a slice, or integers or booleans [n].

        Returns:
          float32 [H, W, C] for an integer, else [n, H, W, C].

        Raises:
          InputError: a file is gone, or was changed since the dataset was loaded.
        """
        rows = self._rows[where]
        if rows.ndim == 0:
            return self._read(rows[np.newaxis])[0]
        if rows.ndim != 1:
            raise IndexError(f"images are indexed in one dimension; got {rows.ndim}.")
        return self._read(rows)

    def part(self, where: slice | np.ndarray) -> "LazyImages":
        """Some of the images, none of which is read: a slice, or integers or booleans [n]."""
        return LazyImages(self._read, self._rows[where], self._image_shape)

    def batches(self, size: int | None = None) -> Iterator[np.ndarray]:
        """All images in their order, ``size`` at a time; None for some 64 MiB."""
        size = size or max(1, _BATCH_BYTES * len(self) // max(1, self.nbytes))
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Refuses what NumPy would do unasked: to read everything, one image after the other."""
        raise TypeError("these images are read when they are needed: index them, or in_memory().")


Images = np.ndarray | LazyImages


def part_of(images: Images, where: slice | np.ndarray) -> Images:
    """Some of the images, of which those that are read when they are needed still are."""
    return images.part(where) if isinstance(images, LazyImages) else images[where]


def in_memory(images: Images, purpose: str) -> np.ndarray:
    """All of the images as one array.

    Args:
      images: in memory, or read when they are needed.
      purpose: what needs them at once, for the message: ``"training"``.

    Raises:
      InputError: they would take more than half of this machine's memory.
    """
    if not isinstance(images, LazyImages):
        return images
    memory = machine_memory()
    if memory is not None and images.nbytes > _LARGEST_PART * memory:
        raise InputError(
            f"{purpose} needs all {len(images):,} images in memory, {images.nbytes / 1e9:.1f} GB "
            f"of this machine's {memory / 1e9:.1f} GB; expected at most half of it. Take a part of "
            "the split, such as train[:10%], or a smaller --image_size."
        )
    return images[:]
