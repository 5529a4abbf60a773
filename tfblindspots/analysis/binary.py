"""How good a classifier of one class against the rest is, when that class is rare."""

import math
from typing import Any, NamedTuple

import numpy as np

from tfblindspots.analysis.errors import clopper_pearson
from tfblindspots.errors import InputError


class Share(NamedTuple):
    """A share of images with its exact 95 % (Clopper-Pearson) interval."""

    hits: int
    count: int  # type: ignore[assignment]  # hides tuple.count
    rate: float  # hits / count
    low: float
    high: float


class BinaryMetrics(NamedTuple):
    """What there is to say of predictions of two classes, 1 being the positive one."""

    confusion: tuple[tuple[int, int], tuple[int, int]]  # [label][prediction], images
    recall: Share  # of the positive images, those predicted positive
    specificity: Share  # of the others, those predicted negative
    precision: Share | None  # of those predicted positive, the positive; None where there are none
    balanced_accuracy: float  # mean of recall and specificity: 0.5 by chance, whatever the classes
    balanced_accuracy_low: float  # ends of its 95 % interval
    balanced_accuracy_high: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values by name, for JSON."""
        return {
            name: value._asdict() if isinstance(value, Share) else value
            for name, value in self._asdict().items()
        }


def binary_metrics(predictions: np.ndarray, labels: np.ndarray) -> BinaryMetrics:
    """Measures predictions of one class against the rest.

    The interval of balanced accuracy combines those of recall and specificity, which are of
    different images and so independent, by the method of variance estimates recovery (Zou and
    Donner 2008): its half-widths are half the root of the sum of the squares of theirs.

    Args:
      predictions: int [N], 0 or 1.
      labels: int [N], 0 or 1, each at least once.

    Raises:
      InputError: the shapes differ, there are other classes, or a class has no image.
    """
    if predictions.shape != labels.shape or labels.ndim != 1:
        raise InputError(
            f"predictions have shape {list(predictions.shape)} and labels {list(labels.shape)}; "
            "expected one of each for every image."
        )
    if not (np.isin(predictions, (0, 1)).all() and np.array_equal(np.unique(labels), [0, 1])):
        raise InputError("expected predictions and labels of 0 and 1, and at least one label each.")
    table = np.zeros((2, 2), int)
    np.add.at(table, (labels, predictions), 1)
    (negative, false_positive), (false_negative, positive) = table.tolist()
    recall = _share(positive, false_negative + positive)
    specificity = _share(negative, negative + false_positive)
    called = positive + false_positive
    balanced = (recall.rate + specificity.rate) / 2
    below = math.hypot(recall.rate - recall.low, specificity.rate - specificity.low) / 2
    above = math.hypot(recall.high - recall.rate, specificity.high - specificity.rate) / 2
    return BinaryMetrics(
        confusion=((negative, false_positive), (false_negative, positive)),
        recall=recall,
        specificity=specificity,
        precision=_share(positive, called) if called else None,
        balanced_accuracy=balanced,
        balanced_accuracy_low=max(balanced - below, 0.0),
        balanced_accuracy_high=min(balanced + above, 1.0),
    )


def _share(hits: int, count: int) -> Share:
    return Share(hits, count, hits / count, *clopper_pearson(hits, count))
