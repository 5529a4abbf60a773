"""Metrics of one class against the rest, by counting and by simulation."""

import numpy as np
import pytest

from tfblindspots.analysis import binary_metrics, clopper_pearson
from tfblindspots.errors import InputError


def _of(confusion: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and labels with this table of [label][prediction]."""
    cells = [(label, prediction) for label in (0, 1) for prediction in (0, 1)]
    counts = np.ravel(confusion)
    labels, predictions = (np.repeat([cell[k] for cell in cells], counts) for k in (0, 1))
    return predictions, labels


def test_rates_are_those_counted() -> None:
    found = binary_metrics(*_of([[70, 20], [3, 7]]))
    assert found.confusion == ((70, 20), (3, 7))
    assert found.recall[:3] == (7, 10, 0.7)
    assert found.specificity[:3] == (70, 90, 70 / 90)
    assert found.precision is not None and found.precision[:3] == (7, 27, 7 / 27)
    assert found.precision[3:] == clopper_pearson(7, 27)
    assert found.balanced_accuracy == pytest.approx((0.7 + 70 / 90) / 2)
    assert found.as_dict()["recall"]["hits"] == 7


def test_no_image_called_positive_has_no_precision() -> None:
    found = binary_metrics(*_of([[90, 0], [10, 0]]))
    assert found.precision is None
    assert found.balanced_accuracy == 0.5


def test_a_perfect_classifier_ends_at_1() -> None:
    found = binary_metrics(*_of([[90, 0], [0, 10]]))
    assert found.balanced_accuracy == found.balanced_accuracy_high == 1
    low = clopper_pearson(10, 10)[0]
    assert 1 - (1 - low) < found.balanced_accuracy_low < 1


def test_the_interval_holds_the_truth_19_times_in_20() -> None:
    random = np.random.default_rng(0)
    recall, specificity = 0.8, 0.9
    held = []
    for _ in range(400):
        hits, kept = random.binomial(60, recall), random.binomial(240, specificity)
        found = binary_metrics(*_of([[kept, 240 - kept], [60 - hits, hits]]))
        low, high = found.balanced_accuracy_low, found.balanced_accuracy_high
        held.append(low <= (recall + specificity) / 2 <= high)
    assert 0.93 <= np.mean(held) <= 0.995


@pytest.mark.parametrize(
    ("predictions", "labels", "message"),
    [
        ([0, 1], [0, 1, 1], "expected one of each for every image"),
        ([0, 2], [0, 1], "expected predictions and labels of 0 and 1"),
        ([0, 1], [1, 1], "at least one label each"),
    ],
)
def test_others_are_refused(predictions: list[int], labels: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        binary_metrics(np.array(predictions), np.array(labels))
