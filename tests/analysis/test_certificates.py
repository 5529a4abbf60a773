"""Certified distances of linear classifiers, whose true ones are known."""

import numpy as np
import pytest

from tfblindspots.analysis import certified_distances, spread_of

WEIGHTS = np.array([3.0, 4.0])
IMAGES = np.array([[1.0, 1.0], [0.5, 0.0], [-1.0, 0.0]], np.float32)


def measure(shares: float | list[float], spread: float, outputs_of) -> dict[str, float | None]:  # type: ignore[no-untyped-def]
    """What is certified of the images and of points so far on the way to the boundary."""
    steps = (np.array(shares) * (IMAGES @ WEIGHTS) / 25)[:, None] * WEIGHTS
    images = (IMAGES - steps).astype(np.float32)
    return certified_distances(
        outputs_of(IMAGES @ WEIGHTS),
        outputs_of(images @ WEIGHTS),
        spread,
        IMAGES.reshape(3, 1, 2, 1),
        images.reshape(3, 1, 2, 1),
        np.array([1, 1, 1]),
    )


@pytest.mark.parametrize(
    ("outputs_of", "spread"),
    [
        # Logits -w.x and w.x: the Lipschitz constant of both is sqrt(2) |w|.
        (lambda z: np.stack([-z, z], axis=1), spread_of(np.sqrt(2) * 5, 2, False)),
        # One logit w.x, beside which class 0 has 0.
        (lambda z: np.stack([0 * z, z], axis=1), spread_of(5, 1, False)),
    ],
)
def test_linear_classes_are_certified_exactly(outputs_of, spread: float) -> None:  # type: ignore[no-untyped-def]
    found = measure([1.01] * 3, spread, outputs_of)
    # The third is of the other class. The boundary is w.x / |w| away.
    assert found["count"] == 2
    assert found["mean_certified"] == pytest.approx((7 + 1.5) / 2 / 5, rel=1e-6)
    assert found["smallest_ratio"] == pytest.approx(1.01, rel=1e-4)
    assert found["median_ratio"] == pytest.approx(1.01, rel=1e-4)
    assert found["mean_found"] == pytest.approx(1.01 * (7 + 1.5) / 2 / 5, rel=1e-4)


def test_one_probability_is_certified_by_its_slope() -> None:
    # Near 1/2 the sigmoid is 1/2 + z / 4, and |w| / 4 bounds it: exact for small z.
    def outputs_of(z: np.ndarray) -> np.ndarray:
        p = 1 / (1 + np.exp(-1e-3 * z))
        return np.stack([1 - p, p], axis=1)

    found = measure([1.01] * 3, spread_of(1e-3 * 5 / 4, 1, True), outputs_of)
    assert found["smallest_ratio"] == pytest.approx(1.01, rel=1e-3)


def test_images_that_do_not_fool_this_network_do_not_count() -> None:
    found = measure(
        [1.01, 0.5, 1.01], spread_of(5, 1, False), lambda z: np.stack([0 * z, z], axis=1)
    )
    assert found["count"] == 1
    assert found["smallest_ratio"] == pytest.approx(1.01, rel=1e-4)


def test_where_none_is_turned_nothing_is_certified() -> None:
    found = measure([0.5] * 3, spread_of(5, 1, False), lambda z: np.stack([0 * z, z], axis=1))
    assert found["count"] == 0
    assert found["mean_certified"] is None
