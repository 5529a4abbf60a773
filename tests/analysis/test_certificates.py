"""Certified distances of a linear classifier, whose true ones are known."""

import numpy as np
import pytest

from tfblindspots.analysis import certified_distances


def test_two_opposite_classes_are_certified_exactly() -> None:
    # Logits w.x and -w.x: their difference is 2 w.x, the Lipschitz constant sqrt(2) |w|, and the
    # boundary w.x / |w| away.
    weights = np.array([3.0, 4.0])
    images = np.array([[1.0, 1.0], [0.5, 0.0], [-1.0, 0.0]], np.float32)
    nearest = images - (1.01 * (images @ weights) / 25)[:, None] * weights
    found = certified_distances(
        images @ np.stack([weights, -weights], axis=1),
        np.sqrt(2) * 5,
        images.reshape(3, 1, 2, 1),
        nearest.astype(np.float32).reshape(3, 1, 2, 1),
        np.array([0, 0, 0]),
    )
    # The third is of the other class.
    assert found["count"] == 2
    assert found["mean_certified"] == pytest.approx((7 + 1.5) / 2 / 5, rel=1e-6)
    assert found["smallest_ratio"] == pytest.approx(1.01, rel=1e-4)
    assert found["median_ratio"] == pytest.approx(1.01, rel=1e-4)
    assert found["mean_found"] == pytest.approx(1.01 * (7 + 1.5) / 2 / 5, rel=1e-4)


def test_where_all_are_wrong_nothing_is_certified() -> None:
    images = np.ones((2, 1, 2, 1), np.float32)
    found = certified_distances(
        np.array([[1.0, 0.0], [2.0, 0.0]]), 1.0, images, images, np.array([1, 1])
    )
    assert found["count"] == 0
    assert found["mean_certified"] is None
