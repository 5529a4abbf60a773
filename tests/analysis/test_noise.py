"""Noise is Gaussian, and an image's own whatever surrounds it."""

import re

import numpy as np
import pytest
from scipy.stats import kstest

from tfblindspots.analysis import gaussian_noise
from tfblindspots.errors import InputError

_IMAGES = np.random.default_rng(0).random((50, 8, 7, 2), np.float32)
_INDICES = np.random.default_rng(1).permutation(1000)[:50]


def test_is_gaussian_of_the_given_stddev() -> None:
    noise = gaussian_noise(np.zeros_like(_IMAGES), 0.3, seed=0, indices=_INDICES)
    assert noise.dtype == np.float32
    assert kstest(noise.ravel() / 0.3, "norm").pvalue > 0.01
    # Neither pixels nor images repeat one another.
    correlations = np.corrcoef(noise.reshape(50, -1))
    assert np.abs(correlations - np.eye(50)).max() < 0.45


def test_is_not_clipped() -> None:
    noisy = gaussian_noise(_IMAGES, 0.3, seed=0, indices=_INDICES)
    assert noisy.min() < 0
    assert noisy.max() > 1
    distortion = np.sqrt(np.mean((noisy - _IMAGES) ** 2))
    np.testing.assert_allclose(distortion, 0.3, rtol=0.03)


def test_depends_on_seed_and_index_only() -> None:
    noisy = gaussian_noise(_IMAGES, 0.1, seed=3, indices=_INDICES)
    order = np.random.default_rng(2).permutation(50)[:20]
    part = gaussian_noise(_IMAGES[order], 0.1, seed=3, indices=_INDICES[order])
    np.testing.assert_array_equal(part, noisy[order])
    other_seed = gaussian_noise(_IMAGES, 0.1, seed=4, indices=_INDICES)
    assert (other_seed != noisy).mean() > 0.99
    swapped = gaussian_noise(_IMAGES, 0.1, seed=3, indices=_INDICES[::-1])
    assert (swapped != noisy).mean() > 0.99


def _global_state() -> np.ndarray:
    return np.random.get_state(legacy=False)["state"]["key"].copy()


def test_leaves_the_global_generator_and_its_input_alone() -> None:
    before, images = _global_state(), _IMAGES.copy()
    gaussian_noise(images, 0.1, seed=3, indices=_INDICES)
    np.testing.assert_array_equal(_global_state(), before)
    np.testing.assert_array_equal(images, _IMAGES)


def test_none_at_stddev_0() -> None:
    np.testing.assert_array_equal(gaussian_noise(_IMAGES, 0, seed=0, indices=_INDICES), _IMAGES)


@pytest.mark.parametrize(
    ("stddev", "seed", "indices", "message"),
    [
        (-0.1, 0, _INDICES, "stddev of the noise is -0.1; expected a number of at least 0."),
        (float("nan"), 0, _INDICES, "stddev of the noise is nan; expected a number"),
        (0.1, 0, _INDICES[:9], "indices have shape [9] for 50 images; expected one each."),
        (0.1, -1, _INDICES, "seed -1 or an index is negative; expected numbers of at least 0."),
        (0.1, 0, -_INDICES, "seed 0 or an index is negative; expected numbers of at least 0."),
    ],
)
def test_refuses_arguments(stddev: float, seed: int, indices: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        gaussian_noise(_IMAGES, stddev, seed=seed, indices=indices)
