"""Error rates against counting, and their intervals against SciPy."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from tfblindspots.analysis import clopper_pearson, error_rate, top_error_rate
from tfblindspots.errors import InputError


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
@pytest.mark.parametrize(
    ("errors", "count"),
    [
        (0, 1),
        (1, 1),
        (0, 360),
        (360, 360),
        (1, 2),
        (3, 10),
        (12, 360),
        (1, 60_000),
        (7_020, 60_000),
        (59_999, 60_000),
        (60_000, 60_000),
    ],
)
def test_interval_equals_that_of_scipy(errors: int, count: int, confidence: float) -> None:
    expected = binomtest(errors, count).proportion_ci(confidence, "exact")
    np.testing.assert_allclose(
        clopper_pearson(errors, count, confidence), expected, rtol=1e-6, atol=1e-12
    )


def test_interval_covers_the_true_rate_as_often_as_it_says() -> None:
    rate, count = 0.07, 40
    covered = sum(
        binom.pmf(errors, count, rate)
        for errors in range(count + 1)
        if np.searchsorted(clopper_pearson(errors, count), rate) == 1
    )
    assert 0.95 <= covered < 1


def test_interval_at_the_ends_is_exact() -> None:
    assert clopper_pearson(0, 100)[0] == 0
    assert clopper_pearson(100, 100)[1] == 1


@pytest.mark.parametrize(("errors", "count"), [(-1, 10), (11, 10), (0, 0)])
def test_refuses_counts(errors: int, count: int) -> None:
    with pytest.raises(InputError, match=f"{errors} errors in {count} images; expected 0 to N err"):
        clopper_pearson(errors, count)


@pytest.mark.parametrize("confidence", [0, 1, 95, float("nan")])
def test_refuses_confidence(confidence: float) -> None:
    with pytest.raises(InputError, match=f"confidence is {confidence}; expected a number between"):
        clopper_pearson(1, 10, confidence)


def test_counts_errors() -> None:
    found = error_rate(np.array([0, 1, 2, 3]), np.array([0, 2, 2, 1]))
    assert found[:3] == (2, 4, 0.5)
    assert (found.low, found.high) == clopper_pearson(2, 4)
    assert [type(value) for value in found] == [int, int, float, float, float]


@pytest.mark.parametrize(
    ("predictions", "labels"),
    [
        (np.zeros(3, int), np.zeros(4, int)),
        (np.zeros(0, int), np.zeros(0, int)),
        (np.zeros((3, 1), int), np.zeros((3, 1), int)),
    ],
)
def test_refuses_arrays_that_do_not_fit(predictions: np.ndarray, labels: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"predictions have shape .* expected one of each for ev"):
        error_rate(predictions, labels)


def test_top_errors_count_labels_beyond_the_largest_logits() -> None:
    generator = np.random.default_rng(0)
    logits = generator.integers(0, 6, (40, 7)).astype(np.float32)  # with ties
    labels = generator.integers(0, 7, 40)
    for count in (1, 3, 7):
        wrong = 0
        for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
            ranking = sorted(range(7), key=lambda k: (-row[k], k))
            wrong += label not in ranking[:count]
        assert top_error_rate(logits, labels, count).errors == wrong
    assert top_error_rate(logits, labels, 1) == error_rate(logits.argmax(axis=1), labels)


def test_top_errors_need_images() -> None:
    with pytest.raises(InputError, match="at least one image"):
        top_error_rate(np.zeros((0, 3)), np.zeros(0, int), 5)
