"""The nearest 8-bit image beyond a linearised class boundary, and how far beyond to aim.

Grey levels q minimise ||q - u||^2, u the original's, subject to a gain d'(q - u) >= t of the
linearised margin. By Lagrange's multiplier mu every pixel is on its own, and its best level is
round(u + mu d): a perturbation along d is scaled, then rounded. Where the float perturbation is a
tenth of a level, that moves the few pixels that count most by one level, and leaves the others.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfblindspots.attacks.search_state import LARGEST, SMALLEST
from tfblindspots.solvers import row_dot

_EXPANSIONS, _HALVINGS = 4, 16
# Pixels that are worth the same, as in front of a mean, must not all change at once: their worth is
# told apart by up to this share.
_APART = 1e-3
# With a bracket's ends known, the next gain tried lies at least this share of it inside.
_INSIDE = 0.1
# Beyond the root foretold by this share of the distance to it: to hit is better than to miss.
_BEYOND = 0.03


def nearest_levels(original: tf.Tensor, direction: tf.Tensor, gain: tf.Tensor) -> tf.Tensor:
    """The nearest grey levels whose change gains so much, by bisection over mu.

    Args:
      original: u, in grey levels from 0 to 255, whole or not, float32 [B, n].
      direction: d, what a level is worth, [B, n].
      gain: t, what the change is to be worth, [B].

    Returns:
      q, whole numbers from 0 to 255, float32 [B, n]; where the box does not allow for the gain, as
      far as it goes.
    """
    # A change is worth mu d'd, give or take ||d||_1 / 2; less where the box is in the way.
    squared = tf.maximum(row_dot(direction, direction), SMALLEST)
    half = 0.5 * tf.reduce_sum(tf.abs(direction), axis=-1)
    low = tf.maximum((1 - 2 * _APART) * (gain - half) / squared, 0.0)
    high = (1 + 2 * _APART) * (tf.maximum(gain, 0.0) + half) / squared

    # Multiples of the golden ratio, less their whole parts, are spread evenly.
    spread = np.arange(original.shape[-1]) * 0.6180339887498949 % 1
    apart = direction * tf.constant(1 - _APART * spread, tf.float32)

    def levels(mu: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(tf.round(original + mu[:, None] * apart), 0.0, 255.0)

    def enough(mu: tf.Tensor) -> tf.Tensor:
        return row_dot(direction, levels(mu) - original) >= gain

    def expand(
        step: tf.Tensor, high: tf.Tensor, short: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        high = tf.where(short, 8.0 * high, high)
        return step + 1, high, ~enough(high)

    def halve(
        step: tf.Tensor, low: tf.Tensor, high: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        middle = 0.5 * (low + high)
        hit = enough(middle)
        return step + 1, tf.where(hit, low, middle), tf.where(hit, middle, high)

    high = tf.while_loop(
        lambda step, _, short: (step < _EXPANSIONS) & tf.reduce_any(short),
        expand,
        (0, high, ~enough(high)),
    )[1]
    high = tf.while_loop(lambda step, *_: step < _HALVINGS, halve, (0, low, high))[2]
    return levels(high)


class Bracket(NamedTuple):
    """The gain at which the margin along a direction crosses zero. float32 [B] each."""

    gain: tf.Tensor  # to be tried next
    low: tf.Tensor  # the largest gain that missed; -LARGEST: none yet
    low_margin: tf.Tensor  # there, at least 0
    high: tf.Tensor  # the smallest gain that hit; LARGEST: none yet
    high_margin: tf.Tensor  # there, below 0
    stride: tf.Tensor  # by how much the foretold step is lengthened until both are known


def open_bracket(gain: tf.Tensor) -> Bracket:
    """Nothing tried yet, ``gain`` [B] first."""
    nothing, far = tf.zeros_like(gain), tf.fill(tf.shape(gain), LARGEST)
    return Bracket(gain, -far, nothing, far, nothing, nothing + 1.0)


def close(bracket: Bracket, margin: tf.Tensor, unit: tf.Tensor) -> Bracket:
    """The bracket after its gain was tried.

    Until there is a hit and a miss the margin is taken to fall by 1 a unit of gain, with strides
    that double; then it is taken for linear in between.

    Args:
      bracket: before.
      margin: at the gain tried, [B]; negative is a hit.
      unit: a size of margins, [B], of which a thousandth is the shortest step.
    """
    hit = margin < 0
    tried = bracket.gain
    low, low_margin = tf.where(hit, bracket.low, tried), tf.where(hit, bracket.low_margin, margin)
    high = tf.where(hit, tried, bracket.high)
    high_margin = tf.where(hit, margin, bracket.high_margin)
    both = (low > -LARGEST) & (high < LARGEST)
    shortest = tf.where(hit, -1e-3, 1e-3) * unit
    outside = tried + bracket.stride * (1.1 * margin + shortest)
    width = tf.where(both, high - low, 1.0)
    share = tf.math.divide_no_nan(low_margin, low_margin - high_margin) * (1 + _BEYOND)
    inside = low + tf.clip_by_value(share, _INSIDE, 1 - _INSIDE) * width
    return Bracket(
        gain=tf.where(both, inside, outside),
        low=low,
        low_margin=low_margin,
        high=high,
        high_margin=high_margin,
        stride=tf.where(both, 1.0, 2.0 * bracket.stride),
    )
