"""Steps of a projected L-BFGS on a box, for a batch of independent problems.

Row b of every [B, n] tensor is a problem of its own, in a phase of its own: no row's line search
makes another row wait. The method is Bertsekas' two-metric projection (SIAM J. Control Optim. 20,
1982): pixels held at a bound by their gradient are fixed, the two-loop recursion (Nocedal and
Wright, algorithm 7.4) runs on the others, and trial points are clipped to the box.
"""

from typing import NamedTuple

import tensorflow as tf

from tfblindspots.solvers.distances import WeightedDistance, row_dot, row_norm

# Armijo's constant: the share of the predicted decrease that a step must give.
SUFFICIENT_DECREASE = 1e-4
# A curvature pair counts when the cosine of s and y is above this.
_MIN_COSINE = 1e-6
# In units of the box, whose sides are of the order of 1: below float32's rounding of a pixel.
_SHORTEST_STEP = 1e-6


class CurvaturePairs(NamedTuple):
    """The last m steps and what they changed, newest first; rows of zeros where there are none."""

    # m tensors [B, n]: differences of points.
    steps: tuple[tf.Tensor, ...]
    # m tensors [B, n]: differences of the *loss's* gradient, the distance term left out.
    changes: tuple[tf.Tensor, ...]


def empty_pairs(count: int, like: tf.Tensor) -> CurvaturePairs:
    """No curvature yet: ``count`` pairs of zeros shaped like ``like`` [B, n]."""
    zeros = tuple(tf.zeros_like(like) for _ in range(count))
    return CurvaturePairs(zeros, zeros)


def remember(
    pairs: CurvaturePairs,
    step: tf.Tensor,
    change: tf.Tensor,
    *,
    accepted: tf.Tensor,
    forget: tf.Tensor,
) -> CurvaturePairs:
    """Adds a pair where ``accepted`` [B], drops a row's whole history where ``forget`` [B]."""

    def shifted(rows: tuple[tf.Tensor, ...], newest: tf.Tensor) -> tuple[tf.Tensor, ...]:
        candidates = (newest, *rows[:-1])
        keep = tf.where(forget, 0.0, 1.0)[:, None]
        return tuple(
            keep * tf.where(accepted[:, None], new, old)
            for new, old in zip(candidates, rows, strict=True)
        )

    return CurvaturePairs(shifted(pairs.steps, step), shifted(pairs.changes, change))


def free_variables(
    point: tf.Tensor, gradient: tf.Tensor, lower: tf.Tensor | float, upper: tf.Tensor | float
) -> tf.Tensor:
    """1.0 where a variable may move, 0.0 where its gradient holds it at a bound, [B, n]."""
    held = ((point <= lower) & (gradient > 0)) | ((point >= upper) & (gradient < 0))
    return tf.where(held, 0.0, 1.0)


def descent_direction(
    pairs: CurvaturePairs,
    gradient: tf.Tensor,
    free: tf.Tensor,
    point: tf.Tensor,
    distance: WeightedDistance,
) -> tf.Tensor:
    """Minus the inverse Hessian estimate times the gradient, on the free variables.

    Args:
      pairs: the curvature of the loss.
      gradient: of the whole objective, [B, n].
      free: from ``free_variables``, [B, n].
      point: x, [B, n].
      distance: the term whose curvature is added to every pair.

    Returns:
      A descent direction, [B, n]; zero on the variables that are not free.
    """
    reduced = gradient * free
    # Where no pair is usable: the step that would be right if the distance were all.
    fallback = 1.0 / distance.stiffness(point)
    q = reduced
    recursion = []
    scale = None
    for step, change in zip(pairs.steps, pairs.changes, strict=True):
        s = step * free
        y = (change + distance.curvature(point, step)) * free
        sy, yy, ss = row_dot(s, y), row_dot(y, y), row_dot(s, s)
        usable = sy > _MIN_COSINE * tf.sqrt(yy * ss)
        rho = tf.math.divide_no_nan(tf.where(usable, 1.0, 0.0), sy)
        if scale is None:
            scale = tf.where(usable, tf.math.divide_no_nan(sy, yy), fallback)
        alpha = rho * row_dot(s, q)
        q -= alpha[:, None] * y
        recursion.append((s, y, rho, alpha))
    if scale is None:
        scale = fallback
    d = scale[:, None] * q
    for s, y, rho, alpha in reversed(recursion):
        d += (alpha - rho * row_dot(y, d))[:, None] * s
    # Where rounding or curvature left no descent direction: the scaled projected gradient.
    slope = row_dot(d, reduced)
    steep = slope > 1e-7 * row_norm(d) * row_norm(reduced)
    return -tf.where(steep[:, None], d, fallback[:, None] * reduced)


def sufficient_decrease(value: tf.Tensor, trial_value: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
    """Armijo's condition along the projected path (Bertsekas 1982, equation 15), bool [B].

    Args:
      value: objective at the point, [B].
      trial_value: objective at the clipped trial point, [B].
      slope: gradient at the point times the clipped displacement, [B].
    """
    # Values are float32 sums: a change below their rounding says nothing either way.
    rounding = 4e-7 * tf.abs(value)
    return trial_value <= value + SUFFICIENT_DECREASE * slope + rounding


def shortened(
    step_length: tf.Tensor, value: tf.Tensor, trial_value: tf.Tensor, slope: tf.Tensor
) -> tf.Tensor:
    """The minimiser of the parabola through what is known, within 10 to 50 % of the step, [B].

    Args:
      step_length: that failed, [B].
      value: objective at the point, [B].
      trial_value: objective at the trial point, [B]; not a number counts as infinite.
      slope: gradient at the point times the displacement, [B].
    """
    ratio = tf.math.divide_no_nan(-0.5 * slope, trial_value - value - slope)
    ratio = tf.where(tf.math.is_finite(ratio), ratio, 0.1)
    return step_length * tf.clip_by_value(ratio, 0.1, 0.5)


class Solve(NamedTuple):
    """A batch of minimisations of c phi(x - x0) + loss(x) on a box, between two evaluations."""

    point: tf.Tensor  # x, [B, n], in the box
    loss: tf.Tensor  # at x, without the distance term, [B]
    gradient: tf.Tensor  # of the loss at x, [B, n]
    direction: tf.Tensor  # [B, n]
    step_length: tf.Tensor  # [B]
    pairs: CurvaturePairs


def begin(point: tf.Tensor, pairs: int) -> Solve:
    """A solve whose first trial point is ``point`` [B, n] itself."""
    zeros = tf.zeros_like(point[:, 0])
    return Solve(
        point=point,
        loss=zeros,
        gradient=tf.zeros_like(point),
        direction=tf.zeros_like(point),
        step_length=zeros,
        pairs=empty_pairs(pairs, point),
    )


def trial_point(solve: Solve, lower: tf.Tensor | float, upper: tf.Tensor | float) -> tf.Tensor:
    """Where each row wants its next evaluation, [B, n], in the box exactly."""
    moved = solve.point + solve.step_length[:, None] * solve.direction
    return tf.clip_by_value(moved, lower, upper)


class Outcome(NamedTuple):
    """What became of each row's trial point, bool [B]."""

    accepted: tf.Tensor
    stuck: tf.Tensor  # rejected, and the step has become too short to matter


def take(
    solve: Solve,
    trial: tf.Tensor,
    loss: tf.Tensor,
    gradient: tf.Tensor,
    *,
    distance: WeightedDistance,
    restart: tf.Tensor,
) -> tuple[Solve, Outcome]:
    """Accepts each row's evaluated trial point, or shortens that row's step.

    Args:
      solve: before the evaluation.
      trial: from ``trial_point``, [B, n].
      loss: at the trial point, [B].
      gradient: of the loss there, [B, n].
      distance: c phi(x - x0).
      restart: bool [B]; such rows accept whatever the value and forget their curvature, because
        their loss is no longer the one that the solve's values are of.

    Returns:
      The solve, its direction not yet renewed, and what became of each trial point.
    """
    value = solve.loss + distance.value(solve.point)
    trial_value = loss + distance.value(trial)
    displacement = trial - solve.point
    slope = row_dot(solve.gradient + distance.gradient(solve.point), displacement)
    finite = tf.math.is_finite(loss) & tf.math.is_finite(tf.reduce_sum(gradient, axis=-1))
    accepted = finite & (restart | sufficient_decrease(value, trial_value, slope))
    largest = tf.reduce_max(tf.abs(displacement), axis=-1)
    stuck = ~accepted & ((largest < _SHORTEST_STEP) | restart)
    pairs = remember(
        solve.pairs,
        displacement,
        gradient - solve.gradient,
        accepted=accepted & ~restart,
        forget=restart | stuck,
    )
    moved = solve._replace(
        point=tf.where(accepted[:, None], trial, solve.point),
        loss=tf.where(accepted, loss, solve.loss),
        gradient=tf.where(accepted[:, None], gradient, solve.gradient),
        step_length=shortened(solve.step_length, value, trial_value, slope),
        pairs=pairs,
    )
    return moved, Outcome(accepted, stuck)


def residuals(
    solve: Solve,
    distance: WeightedDistance,
    lower: tf.Tensor | float,
    upper: tf.Tensor | float,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Norms over the free variables of the objective's and of the loss's gradient, [B] each."""
    full = solve.gradient + distance.gradient(solve.point)
    free = free_variables(solve.point, full, lower, upper)
    return row_norm(free * full), row_norm(free * solve.gradient)


def renew(
    solve: Solve,
    distance: WeightedDistance,
    lower: tf.Tensor | float,
    upper: tf.Tensor | float,
    *,
    where: tf.Tensor,
) -> Solve:
    """Gives the rows ``where`` [B] a new direction from their point, and a full step along it."""
    full = solve.gradient + distance.gradient(solve.point)
    free = free_variables(solve.point, full, lower, upper)
    direction = descent_direction(solve.pairs, full, free, solve.point, distance)
    return solve._replace(
        direction=tf.where(where[:, None], direction, solve.direction),
        step_length=tf.where(where, 1.0, solve.step_length),
    )
