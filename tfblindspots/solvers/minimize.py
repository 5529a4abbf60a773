"""Bound-constrained minimisation of a batch of functions: the steps of projected L-BFGS, looped."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tfblindspots.solvers import projected_lbfgs as lbfgs
from tfblindspots.solvers.distances import NONE, WeightedDistance


class MinimizeResult(NamedTuple):
    """Row b is problem b."""

    point: tf.Tensor  # float32 [B, n], in the box
    value: tf.Tensor  # [B]
    gradient: tf.Tensor  # [B, n]
    converged: tf.Tensor  # bool [B]: the projected gradient is within the tolerance
    failed: tf.Tensor  # bool [B]: the line search found no decrease, or the start is not finite
    evaluations: tf.Tensor  # int32 [B]: value-and-gradient evaluations spent


def minimize(
    value_and_gradient: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
    start: tf.Tensor,
    lower: tf.Tensor | float = 0.0,
    upper: tf.Tensor | float = 1.0,
    *,
    tolerance: float = 1e-4,
    max_evaluations: int = 1000,
    pairs: int = 6,
) -> MinimizeResult:
    """Minimises B independent functions of n variables on a box, one evaluation of all at a time.

    Projected L-BFGS (Bertsekas, SIAM J. Control Optim. 20, 1982; Nocedal and Wright, algorithm
    7.4). Every row keeps its own line search and curvature, so a row's result does not depend on
    its neighbours. Usable inside ``tf.function``, with XLA or without.

    Args:
      value_and_gradient: maps points float32 [B, n] to values [B] and gradients [B, n].
      start: float32 [B, n]; clipped to the box.
      lower: bounds that broadcast to [B, n].
      upper: likewise, nowhere below ``lower``.
      tolerance: a row has converged when its projected gradient's largest entry is at most this.
      max_evaluations: at most so many a row.
      pairs: curvature pairs kept a row; memory is 2 * pairs * B * n float32.

    Returns:
      The best points found, and how each row ended.
    """
    solve = lbfgs.begin(tf.clip_by_value(start, lower, upper), pairs)
    nothing = tf.zeros_like(start[:, 0])
    none = WeightedDistance(NONE, nothing + 1.0, tf.zeros_like(start))
    no = tf.zeros_like(nothing, tf.bool)

    def running(solve, converged, failed, restart, evaluations):  # type: ignore[no-untyped-def]
        return tf.reduce_any(~(converged | failed) & (evaluations < max_evaluations))

    def advance(solve, converged, failed, restart, evaluations):  # type: ignore[no-untyped-def]
        active = ~(converged | failed) & (evaluations < max_evaluations)
        trial = lbfgs.trial_point(solve, lower, upper)
        value, gradient = value_and_gradient(trial)
        stepped, outcome = lbfgs.take(solve, trial, value, gradient, distance=none, restart=restart)
        full = lbfgs.free_variables(stepped.point, stepped.gradient, lower, upper)
        largest = tf.reduce_max(full * tf.abs(stepped.gradient), axis=-1)
        converged |= active & outcome.accepted & (largest <= tolerance)
        # A line search that fails on old curvature gets a second chance without it.
        fresh = tf.reduce_all(tf.equal(solve.pairs.steps[0], 0.0), axis=-1)
        failed |= active & outcome.stuck & (fresh | restart)
        renewed = lbfgs.renew(stepped, none, lower, upper, where=outcome.accepted | outcome.stuck)
        # Without curvature the first step is one of unit length at most.
        length = tf.norm(renewed.direction, axis=-1)
        first = restart | outcome.stuck
        renewed = renewed._replace(
            step_length=tf.where(
                first, tf.minimum(1.0, tf.math.divide_no_nan(1.0, length)), renewed.step_length
            )
        )
        kept = tf.nest.map_structure(
            lambda new, old: tf.where(active if new.shape.rank == 1 else active[:, None], new, old),
            renewed,
            solve,
        )
        return kept, converged, failed, no, evaluations + tf.cast(active, tf.int32)

    solve, converged, failed, _, evaluations = tf.while_loop(
        running,
        advance,
        (solve, no, no, ~no, tf.zeros_like(nothing, tf.int32)),
    )
    return MinimizeResult(solve.point, solve.loss, solve.gradient, converged, failed, evaluations)
