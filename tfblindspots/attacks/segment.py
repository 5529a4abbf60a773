"""The last step of an attack: along the segment from the image found towards the original."""

from collections.abc import Callable

import tensorflow as tf

EVALUATIONS = 6


def tighten(
    margins: Callable[[tf.Tensor], tf.Tensor], original: tf.Tensor, found: tf.Tensor
) -> tf.Tensor:
    """Moves each adversarial point towards its original until just before the class boundary.

    Regula falsi with the Illinois rule on the margin along the segment, ``EVALUATIONS`` margins a
    row. The result is adversarial wherever ``found`` is: only points that were tried are returned.

    Args:
      margins: maps points [B, n] to margins [B], negative where adversarial.
      original: float32 [B, n], margins positive.
      found: float32 [B, n], margins negative.

    Returns:
      float32 [B, n], nowhere farther from the original than ``found``.
    """
    offset = found - original

    def at(share: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(original + share[:, None] * offset, 0.0, 1.0)

    inner = tf.zeros_like(original[:, 0])
    outer = tf.ones_like(inner)
    inner_margin, outer_margin = margins(original), margins(found)
    best = found
    for _ in range(EVALUATIONS - 2):
        root = tf.math.divide_no_nan(
            outer * inner_margin - inner * outer_margin, inner_margin - outer_margin
        )
        # Just inside the boundary's far side, so that the bracket closes from both ends.
        share = inner + tf.clip_by_value((root - inner) / (outer - inner), 0.02, 0.998) * (
            outer - inner
        )
        point = at(share)
        margin = margins(point)
        hit = margin < 0
        best = tf.where(hit[:, None], point, best)
        inner_margin = tf.where(hit, 0.5 * inner_margin, margin)
        outer_margin = tf.where(hit, margin, 0.5 * outer_margin)
        inner, outer = tf.where(hit, inner, share), tf.where(hit, share, outer)
    return best
