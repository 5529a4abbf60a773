"""The last step of an attack: along the segment from the image found towards the original."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tfblindspots.solvers import Distance, row_dot

# Margins that every point gets, and how many more one may get whose boundary is not met by then.
EVALUATIONS, MORE = 5, 10
# It is met when the point just short of it is nearer by no more than this.
_TOLERANCE = 0.003


def tighten(
    margins: Callable[[tf.Tensor], tf.Tensor],
    original: tf.Tensor,
    original_margin: tf.Tensor,
    found: tf.Tensor,
    more: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Moves each adversarial point towards its original until just before the class boundary.

    Regula falsi with the Illinois rule on the margin along the segment; then, where margins are too
    flat or too bent for it, bisection. The result is adversarial wherever ``found`` is: only points
    that were tried are returned.

    Args:
      margins: maps points [B, n] to margins [B], negative where adversarial.
      original: float32 [B, n].
      original_margin: [B], positive.
      found: float32 [B, n], margins negative.
      more: margins that a point may get beyond ``EVALUATIONS``, int64 [].

    Returns:
      The points, float32 [B, n], nowhere farther from the original than ``found``, and how many
      margins each took, int64 [B].
    """
    offset = found - original
    zeros = tf.zeros_like(original[:, 0])
    bracket = _Bracket(found, zeros, tf.ones_like(zeros), original_margin, margins(found))

    def tried(bracket: _Bracket, share: tf.Tensor) -> _Bracket:
        point = tf.clip_by_value(original + share[:, None] * offset, 0.0, 1.0)
        margin = margins(point)
        hit = margin < 0
        return _Bracket(
            best=tf.where(hit[:, None], point, bracket.best),
            inner=tf.where(hit, bracket.inner, share),
            outer=tf.where(hit, share, bracket.outer),
            inner_margin=tf.where(hit, 0.5 * bracket.inner_margin, margin),
            outer_margin=tf.where(hit, margin, 0.5 * bracket.outer_margin),
        )

    for _ in range(EVALUATIONS - 1):
        bracket = tried(bracket, bracket.root())

    def halved(
        step: tf.Tensor, bracket: _Bracket, spent: tf.Tensor
    ) -> tuple[tf.Tensor, _Bracket, tf.Tensor]:
        open_rows = bracket.is_open()
        # Most have met it from outside: one look just short of there closes those.
        middle = 0.5 * (bracket.inner + bracket.outer)
        short = tf.maximum((1 - 0.9 * _TOLERANCE) * bracket.outer, middle)
        new = tried(bracket, tf.where(step == 0, short, middle))
        # A point's result must not depend on how long others in its batch take.
        kept = tf.nest.map_structure(
            lambda after, before: tf.where(
                open_rows if after.shape.rank == 1 else open_rows[:, None], after, before
            ),
            new,
            bracket,
        )
        return step + 1, kept, spent + tf.cast(open_rows, tf.int64)

    _, bracket, spent = tf.while_loop(
        lambda step, bracket, _: (step < more) & tf.reduce_any(bracket.is_open()),
        halved,
        (tf.constant(0, tf.int64), bracket, tf.cast(zeros, tf.int64) + EVALUATIONS),
    )
    return bracket.best, spent


class _Bracket(NamedTuple):
    """Where the boundaries lie, as shares of the way from the originals; [B] but for ``best``."""

    best: tf.Tensor  # the nearest adversarial points, [B, n]
    inner: tf.Tensor  # not adversarial
    outer: tf.Tensor  # adversarial
    inner_margin: tf.Tensor
    outer_margin: tf.Tensor

    def root(self) -> tf.Tensor:
        """Where a straight line through the margins puts the boundary."""
        root = tf.math.divide_no_nan(
            self.outer * self.inner_margin - self.inner * self.outer_margin,
            self.inner_margin - self.outer_margin,
        )
        # Just inside the boundary's far side, so that the bracket closes from both ends.
        width = self.outer - self.inner
        share = tf.math.divide_no_nan(root - self.inner, width)
        return self.inner + tf.clip_by_value(share, 0.02, 0.998) * width

    def is_open(self) -> tf.Tensor:
        """Where the boundary may be nearer by more than the tolerance, bool [B]."""
        return self.outer - self.inner > _TOLERANCE * self.outer


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
