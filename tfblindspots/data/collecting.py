"""Collects what readers read, image by image, in one array that is held only once."""

from collections.abc import Iterable

import numpy as np

from tfblindspots.data.eight_bit import from_uint8
from tfblindspots.data.framing import Framing
from tfblindspots.errors import InputError


def collect_images(
    dataset: str, batches: Iterable[np.ndarray], count: int, framing: Framing | None
) -> np.ndarray:
    """Makes one array of images, framed and scaled to [0, 1].

    Args:
      dataset: the dataset's name, for messages.
      batches: [n, h, w, C] each, images of one size: uint8, or floats in [0, 1].
      count: images in all batches, at most.
      framing: what to take of each; None for images that have one size already. With it, grey
        images among colour ones get three equal channels.

    Returns:
      float32 [N, H, W, C] in [0, 1], N the number of images that came.

    Raises:
      InputError: sizes differ where ``framing`` is None; numbers of channels differ other than 1
        and 3; an image has no pixels or no channels; floats are outside [0, 1].
    """
    images: np.ndarray | None = None
    done = 0
    for batch in batches:
        new = unit_range(dataset, batch, framing)
        if images is None:
            images = np.empty((count, *new.shape[1:]), np.float32)
        elif images.shape[1:] != common_shape(dataset, images.shape[1:], new.shape[1:], framing):
            images = np.repeat(images, 3, axis=-1)
        # A grey image among colour ones is broadcast to three channels.
        images[done : done + len(new)] = new
        done += len(new)
    assert images is not None, "splits without images are refused before they are read"
    return images[:done]


def common_shape(
    dataset: str, known: tuple[int, ...] | None, new: tuple[int, ...], framing: Framing | None
) -> tuple[int, ...]:
    """The shape H, W, C of all images so far, and of one more: three channels if either has them.

    Args:
      dataset: the dataset's name, for messages.
      known: of the images so far; None before the first.
      new: of the next one.
      framing: as for ``collect_images``.

    Raises:
      InputError: sizes differ where ``framing`` is None; numbers of channels differ other than 1
        and 3.
    """
    if known is None or known == new:
        return new
    if framing is None:
        raise InputError(
            f"dataset {dataset} has images of different sizes ({known} and {new}); expected one "
            "size. Give --image_size (in Python image_size), such as 224, to scale and crop them."
        )
    if {known[-1], new[-1]} != {1, 3}:
        raise InputError(
            f"dataset {dataset} has images of {known[-1]} and of {new[-1]} channels; expected one "
            "number of channels, or grey among colour images."
        )
    return (*known[:-1], 3)


def unit_range(dataset: str, batch: np.ndarray, framing: Framing | None) -> np.ndarray:
    """Images of one size, framed and scaled to [0, 1], float32 [n, H, W, C].

    Args:
      dataset: the dataset's name, for messages.
      batch: [n, h, w, C], uint8 or floats in [0, 1].
      framing: what to take of each; None for all of it.

    Raises:
      InputError: there are no pixels or no channels, or floats are outside [0, 1].
    """
    if 0 in batch.shape[1:]:
        raise InputError(
            f"dataset {dataset} has images of shape {list(batch.shape[1:])}; expected at least one "
            "pixel of one channel. Leave such images out."
        )
    eight_bit = batch.dtype == np.uint8
    if not eight_bit:
        low, high = batch.min(), batch.max()
        if not (low >= 0 and high <= 1):  # also true of NaN
            raise InputError(
                f"dataset {dataset} has {batch.dtype.name} images from {low:g} to {high:g}; "
                "expected [0, 1], or uint8 from 0 to 255."
            )
    if framing is not None:
        batch = framing(batch)
    if not eight_bit:
        return np.clip(batch, 0, 1, dtype=np.float32)
    # Rounding in the scaling may leave the range by less than one part in a million.
    return np.clip(from_uint8(batch), 0, 1)
