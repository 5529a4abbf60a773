"""Reaching the class boundary where the loss's size says nothing: by its direction alone.

Decoupled direction and norm (Rony et al., CVPR 2019): steps along the normalised gradient, on a
sphere around the original whose radius shrinks after an adversarial point and grows after another.
The start is noisy: noise lifts pixels over thresholds behind which gradients vanish.
"""

import math

import numpy as np
import tensorflow as tf

STEPS = 25
# Where they have not reached the boundary; the later ones grow the sphere faster.
MOST_STEPS = 40
# Standard deviation of the start's noise, in pixels' units, and root mean square change on the
# first sphere: at most, less where the loss's slope at the original foretells a nearer boundary.
_NOISE = 0.3
_FIRST_DISTORTION = 0.107
_SHRINK, _GROW, _GROW_LATE = 0.95, 1.05, 1.1
# Steps, as shares of the radius, fall from the first to the second along a half cosine.
_LONGEST, _SHORTEST = 1 / 3, 1 / 100


def noise(keys: np.ndarray, pixels: int) -> np.ndarray:
    """Gaussian noise float32 [B, pixels], each row from its own ``keys``, int64 [B, 3]."""
    drawn = np.empty([len(keys), pixels], np.float32)
    for row, key in zip(drawn, keys.tolist(), strict=True):
        np.random.default_rng(key).standard_normal(out=row, dtype=np.float32)
    return _NOISE * drawn


def first_sphere(foretold: tf.Tensor, pixels: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Radius of the first sphere, and the share of the noise that fits it: [B] each.

    Args:
      foretold: length to the boundary by the loss's slope at the original, [B].
      pixels: n.
    """
    largest = _FIRST_DISTORTION * pixels**0.5
    radius = tf.minimum(foretold, largest)
    return radius, radius / largest


def step(
    original: tf.Tensor,
    point: tf.Tensor,
    gradient: tf.Tensor,
    margin: tf.Tensor,
    radius: tf.Tensor,
    number: tf.Tensor,
    elsewhere: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """One step: the next point [B, n], in the box, and the radius [B] of its sphere.

    Args:
      original: [B, n].
      point: [B, n].
      gradient: of the loss at the point, [B, n].
      margin: there, [B]; negative where it is adversarial.
      radius: of the point's sphere, [B].
      number: of the step, int64 [B], counted from 1.
      elsewhere: noise [B, n], another direction to try where there is no gradient at all.
    """
    progress = tf.minimum(tf.cast(number, tf.float32) / STEPS, 1.0)
    share = _SHORTEST + (_LONGEST - _SHORTEST) * 0.5 * (1.0 + tf.cos(math.pi * progress))
    length = (share * radius)[:, None]
    offset = point - length * tf.math.l2_normalize(gradient, axis=-1, epsilon=1e-30) - original
    lost = (margin >= 0) & (tf.reduce_max(tf.abs(gradient), axis=-1) == 0)
    offset = tf.where(lost[:, None], elsewhere, offset)
    radius *= tf.where(margin < 0, _SHRINK, tf.where(number < STEPS, _GROW, _GROW_LATE))
    moved = original + radius[:, None] * tf.math.l2_normalize(offset, axis=-1, epsilon=1e-30)
    return tf.clip_by_value(moved, 0.0, 1.0), radius
