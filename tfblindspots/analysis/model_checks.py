"""Whether a model lets a gradient attack measure it: finite, repeatable, not flat, not rounded."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from tfblindspots.attacks.objectives import Goal, margin_and_loss
from tfblindspots.models import Classifier, forward_batch_size

# Images that are looked at, at most: enough to see a share of 2 %, few enough to cost nothing.
MODEL_SAMPLE = 200
_BATCH = 32  # images at a time
# What counts as rounding, beside the largest logit of the image: an attack lets no margin count
# that is smaller, since another batch size or runtime may turn its sign.
_ROUNDING = 1e-5
# A margin that exceeds its rounding by less than this makes distortions 1 % too large.
_ROUNDED = 0.01
# Root mean square change per pixel to which a linear model would put the class boundary. Pixels in
# [0, 1] allow no more than 1: a gradient that says ten times that says nothing.
_UNREACHABLE = 10.0
# Logits of probabilities are their logarithms, cut at the smallest normal float32: a logit this
# low was a probability of exactly 0.
_LOG_ZERO = math.log(np.finfo(np.float32).tiny) + 0.01


def check_model(
    classifier: Classifier,
    images: np.ndarray,
    labels: np.ndarray,
    targets: np.ndarray,
) -> dict[str, Any]:
    """Looks for what makes attacks on a model measure something else than the model.

    Evaluates the first ``MODEL_SAMPLE`` images twice, once with the gradient of the loss that the
    attack descends. An image whose logits are not finite counts as nothing else besides.

    Args:
      classifier: the model.
      images: float32 [N, H, W, C] in [0, 1] that the model classifies correctly; N may be 0. Of
        others the loss may be flat for no fault of the model's.
      labels: true classes, int [N].
      targets: classes that the attack aims at, int [N]; -1: any but the label.

    Returns:
      JSON-ready: ``checked``, images looked at; ``probabilities``, whether the model's own output
      is probabilities; and how many of the images have ``not_finite_logits``, a NaN or an infinity;
      ``differing_logits``, by more than rounding, when evaluated again; ``not_finite_gradients`` of
      the loss in the pixels; ``zero_gradients``, exactly 0 in every pixel; ``flat_losses``, a
      gradient so small that no image is far enough for it to reach the class boundary;
      ``saturated_probabilities``, exactly 0 in float32 for the class to reach, where the gradient
      of their logarithm dies (one of exactly 1 leaves the other classes theirs);
      ``rounded_margins``, so small beside the logits that the rounding which an attack must beat
      adds more than 1 % to the distortion.
    """
    counts = dict.fromkeys(
        (
            "not_finite_logits",
            "differing_logits",
            "not_finite_gradients",
            "zero_gradients",
            "flat_losses",
            "saturated_probabilities",
            "rounded_margins",
        ),
        0,
    )
    checked = min(len(images), MODEL_SAMPLE)
    # The gradient, which is taken without compiling, keeps all that the model computes.
    batch_size = min(_BATCH, max(1, forward_batch_size(classifier.image_shape) // 4))
    for start in range(0, checked, batch_size):
        part = slice(start, min(start + batch_size, checked))
        for name, found in _check_batch(
            classifier, images[part], labels[part], targets[part]
        ).items():
            counts[name] += int(np.count_nonzero(found))
    return {"checked": checked, "probabilities": classifier.probabilities, **counts}


def _check_batch(
    classifier: Classifier, images: np.ndarray, labels: np.ndarray, targets: np.ndarray
) -> dict[str, np.ndarray]:
    """Which images show what: bool [B] for each count of ``check_model``."""
    batch = tf.constant(images)
    goal = Goal(tf.constant(labels, tf.int64), tf.constant(targets, tf.int64))
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(batch)
        outputs = classifier.logits(batch)
        margins, loss = margin_and_loss(outputs, goal, tf.ones(len(images)))
    # Behind a rounding there is no gradient at all, which the attack takes for zero.
    slopes = tape.gradient(loss, batch, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    gradient = slopes.numpy().astype(np.float64).reshape(len(images), -1)
    logits = outputs.numpy()
    again = classifier.logits(batch).numpy()
    # NaN in the second evaluation only is a difference, which a comparison with NaN would hide.
    finite = np.isfinite(logits).all(axis=1)
    steady = np.isfinite(gradient).all(axis=1)
    moving = gradient.any(axis=1)
    # What is not finite has been counted: zeros in its place keep it out of the other counts.
    logits = np.where(finite[:, None], logits, 0.0)
    margin = np.where(finite, np.abs(margins.numpy()), np.inf)
    length = np.linalg.norm(np.where(steady[:, None], gradient, 0.0), axis=1)
    rounding = _ROUNDING * np.abs(logits).max(axis=1)
    farthest = _UNREACHABLE * math.sqrt(gradient.shape[1]) * length
    return {
        "not_finite_logits": ~finite,
        "differing_logits": finite & ~(np.abs(again - logits).max(axis=1) <= rounding),
        "not_finite_gradients": finite & ~steady,
        "zero_gradients": finite & ~moving,
        "flat_losses": finite & steady & moving & (margin > farthest),
        "saturated_probabilities": finite
        & classifier.probabilities
        & _aims_at_zero(logits, labels, targets),
        "rounded_margins": finite & (rounding > _ROUNDED * margin),
    }


def _aims_at_zero(logits: np.ndarray, labels: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Where every class that would do has a probability of exactly 0, bool [B]."""
    classes = np.arange(logits.shape[1])
    aimed = np.where(targets[:, None] >= 0, classes == targets[:, None], classes != labels[:, None])
    return ((logits <= _LOG_ZERO) | ~aimed).all(axis=1)
