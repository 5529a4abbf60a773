"""Adversarial perturbations made larger, along their own direction (section 4.2, table 4)."""

import math

import numpy as np

from tfblindspots.errors import InputError


def amplify(originals: np.ndarray, images: np.ndarray, distortion: float) -> np.ndarray:
    """Scales every perturbation to the same distortion, then clips the images to [0, 1].

    That is x + d r / distortion(r) for a perturbation r of x. Clipping takes some of it away again,
    so that ``rms_distortion`` of the result is at most d.

    Args:
      originals: x, float32 [N, H, W, C] in [0, 1].
      images: x + r, float32 [N, H, W, C] in [0, 1]. One that equals its original stays as it is.
      distortion: d, root mean square per pixel, above 0.

    Returns:
      float32 [N, H, W, C] in [0, 1].

    Raises:
      InputError: the distortion is not a number above 0, or the shapes differ.
    """
    if not (math.isfinite(distortion) and distortion > 0):
        raise InputError(f"distortion is {distortion}; expected a number above 0, such as 0.1.")
    found = rms_distortion(originals, images)
    scale = np.divide(distortion, found, out=np.ones_like(found), where=found > 0)
    scale = scale.astype(np.float32).reshape(-1, *[1] * (images.ndim - 1))
    return np.clip(originals + scale * (images - originals), 0, 1)


def perturbation_sizes(originals: np.ndarray, images: np.ndarray) -> dict[str, np.ndarray]:
    """How large perturbations are, as an adversarial set's fields say it.

    Args:
      originals: float32 [N, ...].
      images: the same shape.

    Returns:
      ``distortion`` (root mean square), ``l2`` (norm) and ``linf`` (largest change): float32 [N].
    """
    count = len(originals)
    change = images.reshape(count, -1).astype(np.float64) - originals.reshape(count, -1)
    l2 = np.sqrt(np.sum(change**2, axis=1))
    return {
        "distortion": (l2 / np.sqrt(change.shape[1])).astype(np.float32),
        "l2": l2.astype(np.float32),
        "linf": np.abs(change).max(axis=1).astype(np.float32),
    }


def rms_distortion(originals: np.ndarray, images: np.ndarray) -> np.ndarray:
    """The root mean square per pixel of each image's difference from its original (section 4.1).

    Args:
      originals: float32 [N, H, W, C].
      images: the same shape.

    Returns:
      float64 [N].

    Raises:
      InputError: the shapes differ.
    """
    if originals.shape != images.shape:
        raise InputError(
            f"images have shape {list(images.shape)} and their originals {list(originals.shape)}; "
            "expected the same."
        )
    squares = np.square(images - originals, dtype=np.float64).reshape(len(images), -1)
    return np.sqrt(squares.mean(axis=1))
