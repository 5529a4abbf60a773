"""Gaussian noise, against which adversarial perturbations of the same size are compared."""

import numpy as np

from tfblindspots.errors import InputError


def gaussian_noise(
    images: np.ndarray, stddev: float, *, seed: int, indices: np.ndarray
) -> np.ndarray:
    """Adds Gaussian noise to images (section 4.2, the last rows of tables 1, 2 and 4).

    The sum is not clipped to [0, 1]: like the paper's rows, its distortion is then ``stddev``.

    Args:
      images: float32 [N, H, W, C].
      stddev: standard deviation in units of the pixel range, at least 0.
      seed: at least 0. An image's noise depends on this and its index only, in whatever order and
        company it comes; another ``stddev`` scales the same noise.
      indices: int64 [N], at least 0, a different one for each image.

    Returns:
      float32 [N, H, W, C].

    Raises:
      InputError: an argument is out of its range, or there are not as many indices as images.
    """
    if not (np.isfinite(stddev) and stddev >= 0):
        raise InputError(f"stddev of the noise is {stddev}; expected a number of at least 0.")
    if indices.shape != images.shape[:1]:
        raise InputError(
            f"indices have shape {list(indices.shape)} for {len(images)} images; expected one each."
        )
    if seed < 0 or (indices < 0).any():
        raise InputError(f"seed {seed} or an index is negative; expected numbers of at least 0.")
    noisy = np.empty_like(images)
    for i, index in enumerate(indices.tolist()):
        generator = np.random.default_rng((seed, index))
        noise = generator.standard_normal(images.shape[1:], images.dtype)
        noisy[i] = images[i] + images.dtype.type(stddev) * noise
    return noisy
