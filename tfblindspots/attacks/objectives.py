"""What an attack minimises and when it has succeeded, per image.

Labels and targets are one pair of integers: ``target`` is -1 for an untargeted attack, which
succeeds at any class but ``label``; otherwise the attack succeeds at ``target``.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfblindspots.models import is_unanswered, most_likely_class

UNTARGETED = -1
# Share of the largest logit by which a margin must be beaten, so that an image that counts as
# adversarial here still is one when another runtime or batch size rounds its logits otherwise.
_ROUNDING = 1e-5


class Goal(NamedTuple):
    """What each image is to be turned into."""

    label: tf.Tensor  # int64 [B]: the class to leave
    target: tf.Tensor  # int64 [B]: the class to reach, -1: any but label


def succeeds(
    prediction: np.ndarray, label: np.ndarray, target: np.ndarray, original_prediction: np.ndarray
) -> np.ndarray:
    """Whether predictions are what was sought.

    Args:
      prediction: the model's classes of the images found, int64 [N].
      label: true classes, int64 [N].
      target: classes aimed at, -1 where there was none, int64 [N].
      original_prediction: the model's classes of the originals, int64 [N]. An image that is
        misclassified to begin with is a success with any class but the true one.

    Returns:
      bool [N].
    """
    aimed = (target >= 0) & (original_prediction == label)
    return np.where(aimed, prediction == target, prediction != label)


def judge(
    logits: np.ndarray, label: np.ndarray, target: np.ndarray, original_prediction: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The classes of images that were found, and whether they are what was sought.

    An image for which the model returns NaN is never what was sought, whatever its class is by
    ``most_likely_class``: the model does not say that it is of another one.

    Args:
      logits: the model's for the images found, float [N, K].
      label: true classes, int64 [N].
      target: as for ``succeeds``.
      original_prediction: as for ``succeeds``.

    Returns:
      Classes int64 [N], successes bool [N].
    """
    prediction = most_likely_class(logits)
    success = succeeds(prediction, label, target, original_prediction)
    return prediction, success & ~is_unanswered(logits)


def margin_and_loss(
    logits: tf.Tensor, goal: Goal, sharpness: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The class margin, negative where the attack has succeeded, and the loss that lowers it.

    With k the sharpness, targeted: cross-entropy of softmax(k z) to the target, over k. Untargeted:
    softplus(k (z_label - logsumexp of the others)) over k, that is -log(1 - p_label): smooth and
    bounded below, which the negated cross-entropy is not. Dividing by k keeps the gradient's size;
    as k grows the loss tends to max(0, margin), whose minimiser at the boundary is the nearest one.

    Args:
      logits: float32 [B, K].
      goal: label and target.
      sharpness: k > 0, float32 [B].

    Returns:
      margin [B], in logits: the best other class's logit less the target's, or the label's less the
      best other's; and loss [B].
    """
    classes = tf.shape(logits)[-1]
    targeted = goal.target >= 0
    # The class whose logit is set against the best of all others.
    pivot = tf.one_hot(tf.where(targeted, goal.target, goal.label), classes, dtype=logits.dtype)
    pivot_logit = tf.reduce_sum(tf.where(pivot > 0, logits, 0.0), axis=-1)
    others = tf.where(pivot > 0, logits.dtype.min, logits)
    lead = pivot_logit - tf.reduce_max(others, axis=-1)
    slack = _ROUNDING * tf.reduce_max(tf.abs(logits), axis=-1)
    margin = tf.where(targeted, -lead, lead) + slack
    k = sharpness[:, None]
    # log-odds of the pivot against the others under softmax(k z).
    log_odds = sharpness * pivot_logit - tf.reduce_logsumexp(
        tf.where(pivot > 0, logits.dtype.min, k * logits), axis=-1
    )
    loss = tf.nn.softplus(tf.where(targeted, -log_odds, log_odds)) / sharpness
    return margin, loss
