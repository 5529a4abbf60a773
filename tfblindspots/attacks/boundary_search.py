"""The search for the nearest adversarial image: projected L-BFGS inside a search over c.

For one image x0 and one weight c, box-constrained L-BFGS finds the minimiser x(c) of

    c * phi(x - x0) + loss(x)    subject to 0 <= x <= 1      (Szegedy et al. 2013, section 4.1)

and the margin of x(c), which rises with c, tells on which side of the class boundary it lies. The
root of that margin in c is bracketed and closed: from x0 under a soft loss, then, to refine, from
the nearest adversarial point under a sharp one. A batch advances one evaluation at a time, every
image in its own phase: one image's trial point is a line search's second try while its neighbour's
is the first step at a new c.
"""

import tensorflow as tf

from tfblindspots.attacks import reaching
from tfblindspots.attacks.search_state import (
    CONVERGED,
    LARGEST,
    LIMIT,
    MISLED,
    NOT_FINITE,
    NOT_FOUND,
    RUNNING,
    SMALLEST,
    SearchState,
    of_stage,
    sharpness,
)
from tfblindspots.attacks.stages import REACH, REFINE, SEARCH, SearchSettings
from tfblindspots.attacks.weight_search import close_bracket, first_weight
from tfblindspots.solvers import projected_lbfgs as lbfgs
from tfblindspots.solvers.distances import Distance, WeightedDistance, row_norm

# The share of the first step that a probe tries: by the loss's slope it halves the margin.
_PROBE = 0.25
# The loss misleads where more than this share of the margin is then left.
_MISLED_SHARE = 0.65


def trial_point(state: SearchState) -> tf.Tensor:
    """Where each image is to be evaluated next, [B, n], in the box exactly."""
    return lbfgs.trial_point(state.solve, 0.0, 1.0)


def update(
    state: SearchState,
    trial: tf.Tensor,
    loss: tf.Tensor,
    gradient: tf.Tensor,
    margin: tf.Tensor,
    *,
    phi: Distance,
    settings: SearchSettings,
) -> SearchState:
    """Each image's next decision, from the evaluation of its trial point.

    Args:
      state: before the evaluation.
      trial: from ``trial_point``, [B, n].
      loss: at the trial point, [B].
      gradient: of the loss there, [B, n].
      margin: there, [B]; negative where the trial point is adversarial.
      phi: the distance that is minimised.
      settings: of the search.
    """
    running = state.status == RUNNING
    original = state.problem.original
    kind = of_stage(state, settings, "kind", tf.int64)
    state = state._replace(
        evaluations=state.evaluations + tf.cast(running, tf.int64),
        solve_evaluations=state.solve_evaluations + 1,
    )
    state = _keep_best(state, trial, margin, phi)
    solve, outcome = lbfgs.take(
        state.solve,
        trial,
        loss,
        gradient,
        distance=WeightedDistance(phi, state.c, original),
        restart=state.restart,
    )
    state = state._replace(
        solve=solve,
        margin=tf.where(outcome.accepted, margin, state.margin),
    )
    state = first_weight(state, kind, sharpness(state, settings), phi)
    broken = outcome.stuck & (state.restart | ~tf.math.is_finite(loss))

    distance = WeightedDistance(phi, state.c, original)
    minimised = (outcome.accepted & is_minimiser(state, distance, settings)) | outcome.stuck
    spent = state.solve_evaluations >= settings.max_solve
    solved = (kind != REACH) & (minimised | spent)
    misled = _misled(state, margin, spent & ~minimised, settings)
    state, over = close_bracket(state, solved, settings)
    restart = tf.zeros_like(solved)
    if any(stage.kind == REACH for stage in settings.stages):
        restart = kind == REACH
        state, reached = _reach(state, restart & running)
        over |= reached
    renewed = outcome.accepted | outcome.stuck | solved
    distance = WeightedDistance(phi, state.c, original)
    solve = lbfgs.renew(state.solve, distance, 0.0, 1.0, where=renewed & ~restart)
    if settings.probe:
        step_length = tf.where(state.evaluations == 1, _PROBE, solve.step_length)
        solve = solve._replace(step_length=step_length)
    state = state._replace(
        solve=solve,
        restart=restart,
        solve_evaluations=_zero_where(solved, state.solve_evaluations),
    )
    state = _next_stage(state, over & running, settings)
    return _end(state, broken, misled, settings)


def is_minimiser(
    state: SearchState, distance: WeightedDistance, settings: SearchSettings
) -> tf.Tensor:
    """Whether x is near enough to the minimiser at this c, bool [B].

    The projected gradient is compared with the loss's own, which the distance's must cancel.
    """
    residual, scale = lbfgs.residuals(state.solve, distance, 0.0, 1.0)
    return residual <= of_stage(state, settings, "tolerance", tf.float32) * scale


def _keep_best(
    state: SearchState, trial: tf.Tensor, margin: tf.Tensor, phi: Distance
) -> SearchState:
    """Any adversarial trial point counts, whether or not the line search takes it."""
    trial_distance = phi.value(trial - state.problem.original)
    nearer = (state.status == RUNNING) & (margin < 0) & (trial_distance < state.best_distance)
    return state._replace(
        best=tf.where(nearer[:, None], trial, state.best),
        best_distance=tf.where(nearer, trial_distance, state.best_distance),
        best_margin=tf.where(nearer, margin, state.best_margin),
    )


def _misled(
    state: SearchState, margin: tf.Tensor, unsolved: tf.Tensor, settings: SearchSettings
) -> tf.Tensor:
    """Whether the loss misleads at x0, bool [B].

    Where it falls slowly at first and steeply later, as networks trained adversarially have it, or
    has no slope at all, the minimisers at useful c are near x0 and not adversarial. That shows in
    the margin after the first step, or in a minimisation at the first c that comes to no end and
    passes nothing adversarial.

    Args:
      state: after the evaluation.
      margin: at the trial point, [B].
      unsolved: bool [B], the minimisation at this c is given up.
      settings: of the search.
    """
    if settings.stages[0].kind != SEARCH:
        return tf.zeros_like(unsolved)
    first = (state.stage == 0) & (state.misses == 0) & (state.c_low == 0)
    first &= state.best_distance == LARGEST
    if settings.probe:
        unmoved = ~(margin <= _MISLED_SHARE * state.problem.margin)
        unsolved |= (state.evaluations == 2) & unmoved
    return first & unsolved


def _reach(state: SearchState, where: tf.Tensor) -> tuple[SearchState, tf.Tensor]:
    """A step on the sphere ``where`` [B]; returns the state, and where it was the last.

    The first evaluation is of the original and sets the sphere; the second point is the noisy one,
    the solve's direction being the noise.
    """
    solve, original = state.solve, state.problem.original
    first = where & (state.solve_evaluations == 1)
    slope = tf.maximum(row_norm(solve.gradient), SMALLEST)
    sphere, share = reaching.first_sphere(state.problem.margin / slope, original.shape[-1])
    radius = tf.where(first, sphere, state.radius)
    # Shifted noise is other noise, without the cost of drawing it.
    noise = tf.roll(solve.direction, shift=1, axis=-1)
    number = state.solve_evaluations - 1
    point, next_radius = reaching.step(
        original, solve.point, solve.gradient, state.margin, radius, number, noise
    )
    later = where & ~first
    solve = solve._replace(
        point=tf.where(later[:, None], point, solve.point),
        direction=tf.where(later[:, None], noise, solve.direction),
        step_length=tf.where(first, share, tf.where(later, 0.0, solve.step_length)),
    )
    state = state._replace(solve=solve, radius=tf.where(later, next_radius, radius))
    enough = (state.best_distance < LARGEST) & (state.solve_evaluations > reaching.STEPS)
    return state, where & (enough | (state.solve_evaluations > reaching.MOST_STEPS))


def _next_stage(state: SearchState, over: tf.Tensor, settings: SearchSettings) -> SearchState:
    """Moves images whose stage is over [B] to the beginning of the next.

    Where nothing adversarial was found there is nothing to refine: all stages are over.
    """
    stage = state.stage + tf.cast(over, tf.int64)
    state = state._replace(stage=tf.minimum(stage, len(settings.stages)))
    refine = of_stage(state, settings, "kind", tf.int64) == REFINE
    failed = over & refine & (state.best_distance == LARGEST)
    state = state._replace(
        stage=tf.where(failed, tf.constant(len(settings.stages), tf.int64), state.stage)
    )
    # On the boundary, were the margin linear on the way: beyond it a sharp loss has no slope.
    original, rise = state.problem.original, state.problem.margin
    share = tf.math.divide_no_nan(rise, rise - state.best_margin)
    share = tf.where(refine, share, 0.0)[:, None]
    point = original + share * (state.best - original)
    solve = state.solve._replace(
        point=tf.where(over[:, None], point, state.solve.point),
        step_length=tf.where(over, 0.0, state.solve.step_length),
    )
    return state._replace(
        solve=solve,
        restart=state.restart | over,
        solve_evaluations=_zero_where(over, state.solve_evaluations),
        c=tf.where(over, 0.0, state.c),
        c_low=tf.where(over, 0.0, state.c_low),
        c_high=tf.where(over, LARGEST, state.c_high),
        misses=_zero_where(over, state.misses),
    )


def _end(
    state: SearchState, broken: tf.Tensor, misled: tf.Tensor, settings: SearchSettings
) -> SearchState:
    """Gives each image whose search is over the reason."""
    found = state.best_distance < LARGEST
    finished = state.stage >= len(settings.stages)
    spent = state.evaluations >= state.problem.limit
    status = state.status
    for reason, ended in (
        (NOT_FINITE, broken),
        (CONVERGED, finished & found),
        (MISLED, misled),
        (LIMIT, spent & found),
        (NOT_FOUND, finished | spent),
    ):
        status = tf.where((status == RUNNING) & ended, tf.constant(reason, tf.int64), status)
    return state._replace(status=status)


def _zero_where(rows: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
    return tf.where(rows, tf.zeros_like(counts), counts)
