"""The distance term of the composite objective c * phi(x - x0) + loss(x), for either norm.

Its curvature is known exactly, so the solvers store curvature of the loss alone and add that of the
distance with the c of the moment: a change of c then leaves the model of the function right.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

# |r| has a kink at 0; below this length its derivatives are taken at this length.
_KINK = 1e-4


def row_dot(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Inner products of the rows of two [B, n] tensors, [B]."""
    # By a matrix product: XLA adds a row's elements one after another on a CPU.
    return tf.linalg.matvec(a * b, tf.ones(a.shape[-1], a.dtype))


def row_norm(a: tf.Tensor) -> tf.Tensor:
    """Euclidean norms of the rows of a [B, n] tensor, [B]."""
    return tf.sqrt(row_dot(a, a))


class Distance(NamedTuple):
    """phi, as functions of r float32 [B, n]."""

    value: Callable[[tf.Tensor], tf.Tensor]  # [B]
    gradient: Callable[[tf.Tensor], tf.Tensor]  # [B, n]
    # (r, s) -> the Hessian at r times s, [B, n].
    curvature: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    # The Hessian's largest eigenvalue at r, [B].
    stiffness: Callable[[tf.Tensor], tf.Tensor]


def _length(r: tf.Tensor) -> tf.Tensor:
    return tf.maximum(row_norm(r)[:, None], _KINK)


def _l2_curvature(r: tf.Tensor, s: tf.Tensor) -> tf.Tensor:
    length = _length(r)
    unit = r / length
    return (s - unit * row_dot(unit, s)[:, None]) / length


# ||r||^2: smooth, what implementations after the paper use.
SQUARED_L2 = Distance(
    value=lambda r: row_dot(r, r),
    gradient=lambda r: 2.0 * r,
    curvature=lambda r, s: 2.0 * s,
    stiffness=lambda r: tf.zeros_like(r[:, 0]) + 2.0,
)

# |r|, as the paper writes it (section 4.1).
L2 = Distance(
    value=row_norm,
    gradient=lambda r: r / _length(r),
    curvature=_l2_curvature,
    stiffness=lambda r: 1.0 / _length(r)[:, 0],
)

# No distance term: plain minimisation of the loss.
NONE = Distance(
    value=lambda r: tf.zeros_like(r[:, 0]),
    gradient=tf.zeros_like,
    curvature=lambda r, s: tf.zeros_like(s),
    stiffness=lambda r: tf.ones_like(r[:, 0]),
)

DISTANCES = {"squared_l2": SQUARED_L2, "l2": L2}


class WeightedDistance(NamedTuple):
    """c * phi(x - x0), as functions of x float32 [B, n]."""

    phi: Distance
    weight: tf.Tensor  # c, [B]
    original: tf.Tensor  # x0, [B, n]

    def value(self, x: tf.Tensor) -> tf.Tensor:
        """[B]."""
        return self.weight * self.phi.value(x - self.original)

    def gradient(self, x: tf.Tensor) -> tf.Tensor:
        """[B, n]."""
        return self.weight[:, None] * self.phi.gradient(x - self.original)

    def curvature(self, x: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """The Hessian at x times a step, [B, n]."""
        return self.weight[:, None] * self.phi.curvature(x - self.original, step)

    def stiffness(self, x: tf.Tensor) -> tf.Tensor:
        """The Hessian's largest eigenvalue, [B]."""
        return self.weight * self.phi.stiffness(x - self.original)
