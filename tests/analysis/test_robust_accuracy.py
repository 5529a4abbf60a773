"""Curves against counting image by image, the mean distance, and sets read off by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tfblindspots.analysis import accuracy_at, robust_accuracy
from tfblindspots.artifacts import to_json
from tfblindspots.errors import InputError

STATUSES = (
    "converged",
    "evaluation limit",
    "no adversarial image found",
    "not finite",
    "already misclassified",
)


def _examples(*rows: tuple[bool, bool, float, str]) -> dict[str, np.ndarray]:
    """Fields of images, each given as (classified correctly, success, l2, status)."""
    correct, success, l2, status = zip(*rows, strict=True)
    return {
        "label": np.full(len(rows), 3),
        "original_prediction": np.where(correct, 3, 8),
        "success": np.array(success, np.int64),
        "l2": np.array(l2, np.float32),
        "status": np.array(status, object),
    }


def _drawn(count: int, seed: int) -> dict[str, np.ndarray]:
    """Images of every kind, whose distances often tie."""
    generator = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        status = str(generator.choice(STATUSES))
        if status == STATUSES[-1]:
            rows.append((False, True, 0.0, status))
        else:
            found = status in STATUSES[:2] or (status == "not finite" and generator.random() < 0.5)
            rows.append((True, found, found * generator.integers(1, 40) / 7, status))
    return _examples(*rows)


def test_a_set_read_off_by_hand() -> None:
    curve = robust_accuracy(
        _examples(
            (True, True, 0.5, "converged"),
            (False, True, 0.0, "already misclassified"),
            (True, True, 2.0, "evaluation limit"),
            (True, True, 0.5, "converged"),
            (True, False, 0.0, "no adversarial image found"),
            (True, True, 1.5, "not finite"),
            (True, True, 4.0, "converged"),
            (True, True, 3.0, "converged"),
        )
    )
    assert curve == {
        "count": 8,
        "correct": 7,
        "found": 6,
        "open": 3,
        "median_radius": 1.5,
        "radii": [0.0, 0.5, 1.5, 2.0, 3.0, 4.0],
        "upper": [7 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8],
        "lower": [4 / 8, 2 / 8, 2 / 8, 2 / 8, 1 / 8, 0.0],
    }
    to_json(curve)
    lower, upper = accuracy_at(curve, [0, 1e-9, 0.5, 0.6, 100])
    assert_array_equal(lower, [7 / 8, 4 / 8, 2 / 8, 2 / 8, 0])
    assert_array_equal(upper, [7 / 8, 7 / 8, 5 / 8, 5 / 8, 1 / 8])


@pytest.mark.parametrize("seed", range(5))
def test_every_radius_agrees_with_counting(seed: int) -> None:
    examples = _drawn(60, seed)
    curve = robust_accuracy(examples)
    exact = np.unique(examples["l2"].astype(np.float64))
    radii = np.concatenate([exact, np.nextafter(exact, 99), np.nextafter(exact[1:], 0), [50.0]])
    lower, upper = accuracy_at(curve, radii)
    for radius, low, high in zip(radii, lower, upper, strict=True):
        robust = surely = 0
        for i in range(60):
            if examples["label"][i] != examples["original_prediction"][i]:
                continue
            stands = examples["success"][i] == 0 or examples["l2"][i].astype(np.float64) > radius
            robust += stands
            surely += stands and (radius == 0 or examples["status"][i] == "converged")
        assert (low, high) == (surely / 60, robust / 60)


def test_the_edges_are_decreasing_and_step_wherever_an_image_falls() -> None:
    curve = robust_accuracy(_drawn(200, seed=9))
    assert (np.diff(curve["radii"]) > 0).all()
    assert (np.diff(curve["upper"]) < 0).all()
    assert (np.diff(curve["lower"]) <= 0).all()
    assert (np.array(curve["lower"]) < curve["upper"]).all()


def test_the_area_is_the_mean_distance_and_the_median_is_the_median() -> None:
    # Exponential distances: the accuracy at r is exp(-r), the median ln 2.
    count = 20001
    distances = -np.log1p(-(np.arange(count) + 0.5) / count)
    curve = robust_accuracy(_examples(*((True, True, d, "converged") for d in distances)))
    stored = distances.astype(np.float32).astype(np.float64)
    assert_allclose(np.dot(np.diff(curve["radii"]), curve["upper"][:-1]), stored.mean(), rtol=1e-12)
    assert curve["median_radius"] == np.median(stored)
    assert curve["median_radius"] == pytest.approx(np.log(2), rel=1e-4)
    radii = np.linspace(0, 5, 11)
    lower, upper = accuracy_at(curve, radii)
    assert_allclose(upper, np.exp(-radii), atol=1 / count)
    assert_array_equal(lower, upper)


def test_a_converged_search_without_an_adversarial_image_leaves_the_distance_open() -> None:
    # The image as stored may be on the other side of the boundary than the one that was found.
    curve = robust_accuracy(_examples((True, False, 0.25, "converged")))
    assert (curve["radii"], curve["upper"], curve["lower"]) == ([0.0], [1.0], [0.0])
    assert (curve["found"], curve["open"]) == (0, 1)


@pytest.mark.parametrize(
    ("row", "accuracy", "median"),
    [
        ((False, True, 0.0, "already misclassified"), 0.0, 0.0),
        ((True, False, 0.0, "not finite"), 1.0, None),
    ],
)
def test_all_alike(row: tuple[bool, bool, float, str], accuracy: float, median: float) -> None:
    curve = robust_accuracy(_examples(row, row, row))
    assert (curve["radii"], curve["upper"], curve["lower"]) == ([0.0], [accuracy], [0.0])
    assert curve["median_radius"] == median


@pytest.mark.parametrize("l2", [np.nan, np.inf, -1.0])
def test_a_distance_that_is_none(l2: float) -> None:
    with pytest.raises(InputError, match="an l2 is negative or not finite; expected distances"):
        robust_accuracy(_examples((True, True, l2, "converged")))


def test_fields_that_do_not_fit() -> None:
    examples = _drawn(3, seed=0)
    with pytest.raises(InputError, match=r"label \[3\], .* l2 \[2\], status \[3\]; expected one"):
        robust_accuracy({**examples, "l2": examples["l2"][:2]})
    with pytest.raises(InputError, match="and at least one image"):
        robust_accuracy({name: values[:0] for name, values in examples.items()})


@pytest.mark.parametrize("radius", [-0.1, np.nan])
def test_a_radius_that_is_none(radius: float) -> None:
    with pytest.raises(InputError, match="a radius is negative or not a number; expected numbers"):
        accuracy_at(robust_accuracy(_drawn(3, seed=0)), [0.1, radius])
