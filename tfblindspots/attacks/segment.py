"""The last step of an attack: along the segment from the image found towards the original."""

from collections.abc import Callable

import tensorflow as tf

from tfblindspots.solvers import Distance, row_dot

EVALUATIONS = 5


def tighten(
    margins: Callable[[tf.Tensor], tf.Tensor],
    original: tf.Tensor,
    original_margin: tf.Tensor,
    found: tf.Tensor,
) -> tf.Tensor:
    """Moves each adversarial point towards its original until just before the class boundary.

    Regula falsi with the Illinois rule on the margin along the segment, ``EVALUATIONS`` margins a
    row. The result is adversarial wherever ``found`` is: only points that were tried are returned.

    Args:
      margins: maps points [B, n] to margins [B], negative where adversarial.
      original: float32 [B, n].
      original_margin: [B], positive.
      found: float32 [B, n], margins negative.

    Returns:
      float32 [B, n], nowhere farther from the original than ``found``.
    """
    offset = found - original

    def at(share: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(original + share[:, None] * offset, 0.0, 1.0)

    inner = tf.zeros_like(original[:, 0])
    outer = tf.ones_like(inner)
    inner_margin, outer_margin = original_margin, margins(found)
    best = found
    for _ in range(EVALUATIONS - 1):
        root = tf.math.divide_no_nan(
            outer * inner_margin - inner * outer_margin, inner_margin - outer_margin
        )
        # Just inside the boundary's far side, so that the bracket closes from both ends.
        width = outer - inner
        share = tf.math.divide_no_nan(root - inner, width)
        share = inner + tf.clip_by_value(share, 0.02, 0.998) * width
        point = at(share)
        margin = margins(point)
        hit = margin < 0
        best = tf.where(hit[:, None], point, best)
        inner_margin = tf.where(hit, 0.5 * inner_margin, margin)
        outer_margin = tf.where(hit, margin, 0.5 * outer_margin)
        inner, outer = tf.where(hit, inner, share), tf.where(hit, share, outer)
    return best


def balancing_weight(
    phi: Distance, point: tf.Tensor, original: tf.Tensor, gradient: tf.Tensor
) -> tf.Tensor:
    """The paper's c: the weight at which a point on the boundary is the minimiser (section 4.1).

    There c grad phi(r) + grad loss = 0 on the pixels inside the box, solved by least squares.

    Args:
      phi: the distance.
      point: float32 [B, n].
      original: float32 [B, n].
      gradient: of the loss at the point, [B, n].

    Returns:
      c at least 0, [B]; 0 where no pixel inside the box has changed.
    """
    inside = tf.cast((point > 0.0) & (point < 1.0), point.dtype)
    pull = inside * phi.gradient(point - original)
    weight = tf.math.divide_no_nan(-row_dot(pull, gradient), row_dot(pull, pull))
    return tf.where(tf.math.is_finite(weight), tf.maximum(weight, 0.0), 0.0)
