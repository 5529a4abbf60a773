"""Amplified perturbations keep their direction and reach the distortion, but for the box."""

import numpy as np
import pytest

from tfblindspots.attacks import amplify, rms_distortion
from tfblindspots.errors import InputError


def test_inside_the_box_the_distortion_is_met_and_the_direction_kept() -> None:
    generator = np.random.default_rng(0)
    originals = np.full((5, 4, 3, 1), 0.5, np.float32)
    changes = generator.uniform(-0.01, 0.01, originals.shape).astype(np.float32)
    amplified = amplify(originals, originals + changes, 0.1)
    np.testing.assert_allclose(rms_distortion(originals, amplified), 0.1, rtol=1e-3)
    found = (amplified - originals).reshape(5, -1)
    cosine = (found * changes.reshape(5, -1)).sum(axis=1)
    cosine /= np.linalg.norm(found, axis=1) * np.linalg.norm(changes.reshape(5, -1), axis=1)
    np.testing.assert_allclose(cosine, 1, atol=1e-4)


def test_a_larger_perturbation_shrinks_and_none_stays_none() -> None:
    originals = np.full((2, 2, 2, 1), 0.5, np.float32)
    images = originals.copy()
    images[0] += 0.25
    amplified = amplify(originals, images, 0.125)
    np.testing.assert_array_equal(amplified[0], originals[0] + 0.125)
    np.testing.assert_array_equal(amplified[1], originals[1])


def test_clipping_takes_some_away() -> None:
    originals = np.array([[[[0.95], [0.5]]]], np.float32)
    amplified = amplify(originals, originals + np.float32([[[0.01], [0.01]]]), 0.2)
    np.testing.assert_allclose(amplified[0, 0, :, 0], [1.0, 0.7], rtol=1e-5)
    np.testing.assert_allclose(
        rms_distortion(originals, amplified), np.sqrt((0.05**2 + 0.2**2) / 2), rtol=1e-4
    )


@pytest.mark.parametrize("distortion", [0.0, -0.1, np.nan, np.inf])
def test_a_distortion_is_a_number_above_0(distortion: float) -> None:
    images = np.zeros((1, 2, 2, 1), np.float32)
    with pytest.raises(InputError, match="expected a number above 0, such as"):
        amplify(images, images, distortion)


def test_shapes_must_agree() -> None:
    images = np.zeros((2, 2, 2, 1), np.float32)
    with pytest.raises(InputError, match=r"images have shape \[1, 2, 2, 1\] and their originals"):
        rms_distortion(images, images[:1])
