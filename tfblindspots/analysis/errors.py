"""Error rates with exact confidence intervals."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfblindspots.errors import InputError


class ErrorRate(NamedTuple):
    """How often a model errs on a set of images."""

    errors: int  # images whose prediction is not their label
    count: int  # type: ignore[assignment]  # images; hides tuple.count
    rate: float  # errors / count
    low: float  # ends of the 95 % Clopper-Pearson interval of the rate
    high: float


def error_rate(predictions: np.ndarray, labels: np.ndarray) -> ErrorRate:
    """Counts the predictions that are not the label.

    Args:
      predictions: classes, integers [N], N at least 1.
      labels: true classes, integers [N].

    Returns:
      The error rate with its 95 % interval.

    Raises:
      InputError: there are no images, or not as many labels as predictions.
    """
    if predictions.shape != labels.shape or predictions.ndim != 1 or not predictions.size:
        raise InputError(
            f"predictions have shape {list(predictions.shape)} and labels {list(labels.shape)}; "
            "expected one of each for every image, and at least one image."
        )
    errors, count = int(np.count_nonzero(predictions != labels)), predictions.size
    return ErrorRate(errors, count, errors / count, *clopper_pearson(errors, count))


def top_error_rate(logits: np.ndarray, labels: np.ndarray, count: int) -> ErrorRate:
    """Counts the images whose label is not among the classes with the largest logits.

    Args:
      logits: float [N, K], N at least 1.
      labels: true classes, integers [N].
      count: how many classes; of equal logits those with the smaller number go first.

    Returns:
      The error rate with its 95 % interval.

    Raises:
      InputError: there are no images, or not as many labels as rows of logits.
    """
    ranked = np.argsort(-logits, axis=1, kind="stable")[:, :count]
    hit = (ranked == np.reshape(labels, (-1, 1))).any(axis=1) if len(labels) else np.empty(0, bool)
    return error_rate(np.where(hit, labels, -1), labels)


def clopper_pearson(errors: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact binomial confidence interval of an error rate, by quantiles of Beta distributions.

    Args:
      errors: errors seen, 0 to ``count``.
      count: images, at least 1.
      confidence: probability, above 0 and below 1, that the interval holds the true rate.

    Returns:
      The ends of the interval, in [0, 1]; 0 below no errors, 1 above errors only.

    Raises:
      InputError: an argument is out of its range.
    """
    if not (0 <= errors <= count and count >= 1):
        raise InputError(f"{errors} errors in {count} images; expected 0 to N errors in N >= 1.")
    if not 0 < confidence < 1:
        raise InputError(f"confidence is {confidence}; expected a number between 0 and 1.")
    tail = (1 - confidence) / 2
    # At the ends of its range a bound is known, and its Beta distribution, replaced here, is none.
    low, high = _beta_quantile()(
        tf.constant([max(errors, 1), errors + 1], tf.float64),
        tf.constant([count - errors + 1, max(count - errors, 1)], tf.float64),
        tf.constant([tail, 1 - tail], tf.float64),
    ).numpy()
    return (float(low) if errors > 0 else 0.0), (float(high) if errors < count else 1.0)


@functools.cache
def _beta_quantile() -> Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]:
    """From both concentrations and probabilities, [2] each, to the quantiles of Beta [2]."""
    # Here, since it takes a second to import, which nobody else is to wait for.
    import tensorflow_probability as tfp

    # Compiled: an eager call takes 20 times as long, and a table has a hundred cells.
    compiled: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor] = tf.function(
        lambda a, b, probability: tfp.distributions.Beta(a, b).quantile(probability),
        autograph=False,
    )
    return compiled
