"""The search for the nearest adversarial image: projected L-BFGS inside a search over c.

For one image x0 and one weight c, box-constrained L-BFGS finds the minimiser x(c) of

    c * phi(x - x0) + loss(x)    subject to 0 <= x <= 1      (Szegedy et al. 2013, section 4.1)

and the margin of x(c), which rises with c, tells on which side of the class boundary it lies. The
root of that margin in c is bracketed and closed: from x0 under a soft loss, then, to refine, from
the nearest adversarial point under a sharp one. A batch advances one evaluation at a time, every
image in its own phase: one image's trial point is a line search's second try while its neighbour's
is the first step at a new c.
"""

from typing import NamedTuple

import tensorflow as tf

from tfblindspots.attacks import reaching
from tfblindspots.attacks.objectives import Goal
from tfblindspots.attacks.stages import REACH, REFINE, SEARCH, SearchSettings
from tfblindspots.solvers import projected_lbfgs as lbfgs
from tfblindspots.solvers.distances import Distance, WeightedDistance, row_dot, row_norm

# What a slot is doing, or why its image's search ended.
IDLE, RUNNING, CONVERGED, LIMIT, NOT_FOUND, NOT_FINITE, MISLED = range(7)

_SMALLEST, _LARGEST = 1e-20, 1e20
# The share of the first step that a probe tries: by the loss's slope it halves the margin.
_PROBE = 0.25
# The loss misleads where more than this share of the margin is then left.
_MISLED_SHARE = 0.65


class Problem(NamedTuple):
    """B images to attack."""

    original: tf.Tensor  # x0, float32 [B, n], in the box
    goal: Goal  # what each is to be turned into
    margin: tf.Tensor  # of x0, positive, float32 [B]: the unit of the loss's sharpness
    key: tf.Tensor  # int32 [B, 2]: seeds of the noisy starts
    limit: tf.Tensor  # int32 [B]: of evaluations of value and gradient


class SearchState(NamedTuple):
    """B slots of n pixels, an image each. float32 unless said."""

    problem: Problem
    status: tf.Tensor  # int32 [B]
    evaluations: tf.Tensor  # int32 [B]
    stage: tf.Tensor  # int32 [B]: of the settings' stages
    # The minimisation at the c of the moment.
    solve: lbfgs.Solve
    margin: tf.Tensor  # at the solve's point, [B]
    restart: tf.Tensor  # bool [B]: the next trial point is taken whatever its value
    solve_evaluations: tf.Tensor  # int32 [B]: spent at this c
    # The search over c.
    c: tf.Tensor  # [B]; 0 before a stage's first evaluation
    c_low: tf.Tensor  # [B]: the largest c whose minimiser was adversarial; 0: none yet
    c_high: tf.Tensor  # [B]: the smallest c whose minimiser was not; _LARGEST: none yet
    margin_low: tf.Tensor  # [B]: of the minimiser at c_low
    margin_high: tf.Tensor  # [B]: of the minimiser last missed, before that of x0
    misses: tf.Tensor  # int32 [B]: values of c whose minimisers were not adversarial
    radius: tf.Tensor  # [B]: of the sphere on which the boundary is being reached
    # The nearest adversarial point of all that were evaluated.
    best: tf.Tensor  # [B, n]
    best_distance: tf.Tensor  # phi(best - x0), [B]; _LARGEST: none yet


def start(problem: Problem, active: tf.Tensor, settings: SearchSettings) -> SearchState:
    """Slots for new images, none of them evaluated yet.

    Args:
      problem: the images.
      active: bool [B]; slots where it is False stay idle.
      settings: of the search.
    """
    zeros = tf.zeros_like(problem.margin)
    integers = tf.zeros_like(problem.goal.label)
    solve = lbfgs.begin(problem.original, settings.pairs)
    if settings.stages[0].kind == REACH:
        solve = solve._replace(direction=reaching.noise(problem.key, problem.original.shape[-1]))
    return SearchState(
        problem=problem,
        status=tf.where(active, RUNNING, IDLE),
        evaluations=integers,
        stage=integers,
        solve=solve,
        margin=zeros,
        restart=tf.ones_like(active),
        solve_evaluations=integers,
        c=zeros,
        c_low=zeros,
        c_high=zeros + _LARGEST,
        margin_low=zeros,
        margin_high=problem.margin,
        misses=integers,
        radius=zeros,
        best=problem.original,
        best_distance=zeros + _LARGEST,
    )


def sharpness(state: SearchState, settings: SearchSettings) -> tf.Tensor:
    """K of each image's loss at its stage, [B]."""
    shares = _of_stage(state, settings, "sharpness", tf.float32)
    return shares / tf.maximum(state.problem.margin, _SMALLEST)


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
    kind = _of_stage(state, settings, "kind", tf.int32)
    state = state._replace(
        evaluations=state.evaluations + tf.cast(running, tf.int32),
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
    state = _first_weight(state, kind, sharpness(state, settings), phi)
    broken = outcome.stuck & (state.restart | ~tf.math.is_finite(loss))

    distance = WeightedDistance(phi, state.c, original)
    minimised = (outcome.accepted & is_minimiser(state, distance, settings)) | outcome.stuck
    spent = state.solve_evaluations >= settings.max_solve
    solved = (kind != REACH) & (minimised | spent)
    misled = _misled(state, margin, spent & ~minimised, settings)
    state, over = _close_bracket(state, solved, settings)
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
        solve_evaluations=tf.where(solved, 0, state.solve_evaluations),
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
    return residual <= _of_stage(state, settings, "tolerance", tf.float32) * scale


def next_weight(state: SearchState) -> tf.Tensor:
    """The c at which the margin should vanish, [B].

    Inside a bracket: the secant in log c, kept within 10 to 90 % of it. With adversarial minimisers
    only: the minimiser's offset taken as proportional to 1 / c, so that the margin falls from that
    of x0 (c infinite) in proportion. With none: a quarter.
    """
    share = tf.math.divide_no_nan(-state.margin_low, state.margin_high - state.margin_low)
    low, high = _log(state.c_low), _log(state.c_high)
    inside = tf.exp(low + tf.clip_by_value(share, 0.1, 0.9) * (high - low))
    growth = 1.0 - tf.math.divide_no_nan(state.margin_low, state.margin_high)
    raised = state.c * tf.clip_by_value(growth, 1.1, 4.0)
    one_sided = tf.where(state.c_low == 0, state.c / 4.0, raised)
    return tf.where((state.c_low > 0) & (state.c_high < _LARGEST), inside, one_sided)


def _of_stage(
    state: SearchState, settings: SearchSettings, field: str, dtype: tf.DType
) -> tf.Tensor:
    """A setting of each image's stage, [B]; of the last where all are over."""
    values = tf.constant([getattr(stage, field) for stage in settings.stages], dtype)
    return tf.gather(values, tf.minimum(state.stage, len(settings.stages) - 1))


def _keep_best(
    state: SearchState, trial: tf.Tensor, margin: tf.Tensor, phi: Distance
) -> SearchState:
    """Any adversarial trial point counts, whether or not the line search takes it."""
    trial_distance = phi.value(trial - state.problem.original)
    nearer = (state.status == RUNNING) & (margin < 0) & (trial_distance < state.best_distance)
    return state._replace(
        best=tf.where(nearer[:, None], trial, state.best),
        best_distance=tf.where(nearer, trial_distance, state.best_distance),
    )


def _first_weight(state: SearchState, kind: tf.Tensor, k: tf.Tensor, phi: Distance) -> SearchState:
    """Sets c at a stage's first evaluation, of the point x.

    From x0, with g the loss's gradient on the free pixels and m the margin, c = ||g||^2 / (4 |m|):
    the linearised margin of its minimiser is -m. From a point near the boundary, the c for which it
    is the minimiser on the boundary: there the loss's gradient is half the margin's and cancels the
    distance's, c = ||margin's gradient|| / (2 ||phi's gradient||).
    """
    first = (state.c == 0) & (kind != REACH)
    point, gradient = state.solve.point, state.solve.gradient
    free = lbfgs.free_variables(point, gradient, 0.0, 1.0)
    squared = row_dot(free * gradient, gradient)
    margin = tf.maximum(tf.abs(state.margin), _SMALLEST)
    # The loss is softplus(k lead) / k: its gradient is that of the lead times this.
    slope = tf.maximum(1.0 - tf.exp(-k * state.solve.loss), 1e-6)
    pull = row_norm(free * phi.gradient(point - state.problem.original))
    balanced = tf.math.divide_no_nan(0.5 * tf.sqrt(squared) / slope, pull)
    c = tf.clip_by_value(tf.where(kind == REFINE, balanced, 0.25 * squared / margin), 1e-18, 1e18)
    return state._replace(c=tf.where(first, c, state.c))


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
    first &= state.best_distance == _LARGEST
    if settings.probe:
        unmoved = ~(margin <= _MISLED_SHARE * state.problem.margin)
        unsolved |= (state.evaluations == 2) & unmoved
    return first & unsolved


def _close_bracket(
    state: SearchState, solved: tf.Tensor, settings: SearchSettings
) -> tuple[SearchState, tf.Tensor]:
    """Where ``solved``: moves an end of the bracket and sets the next c.

    Returns:
      The state, and where the stage is over: the bracket has closed, or it is given up.
    """
    adversarial = solved & (state.margin < 0)
    missed = solved & ~(state.margin < 0)
    state = state._replace(
        c_low=tf.where(adversarial, state.c, state.c_low),
        margin_low=tf.where(adversarial, state.margin, state.margin_low),
        c_high=tf.where(missed, state.c, state.c_high),
        margin_high=tf.where(missed, state.margin, state.margin_high),
        misses=state.misses + tf.cast(missed, tf.int32),
    )
    closed = solved & (state.c_high <= settings.bracket_ratio * state.c_low)
    given_up = (state.c_low == 0) & (state.misses >= settings.max_misses)
    state = state._replace(c=tf.where(solved & ~closed, next_weight(state), state.c))
    return state, closed | given_up


def _reach(state: SearchState, where: tf.Tensor) -> tuple[SearchState, tf.Tensor]:
    """A step on the sphere ``where`` [B]; returns the state, and where it was the last.

    The first evaluation is of the original and sets the sphere; the second point is the noisy one,
    the solve's direction being the noise.
    """
    solve, original = state.solve, state.problem.original
    first = where & (state.solve_evaluations == 1)
    slope = tf.maximum(row_norm(solve.gradient), _SMALLEST)
    sphere, share = reaching.first_sphere(state.problem.margin / slope, original.shape[-1])
    radius = tf.where(first, sphere, state.radius)
    point, next_radius = reaching.step(
        original, solve.point, solve.gradient, state.margin, radius, state.solve_evaluations - 1
    )
    later = where & ~first
    solve = solve._replace(
        point=tf.where(later[:, None], point, solve.point),
        step_length=tf.where(first, share, tf.where(later, 0.0, solve.step_length)),
    )
    state = state._replace(solve=solve, radius=tf.where(later, next_radius, radius))
    steps = tf.where(state.best_distance < _LARGEST, reaching.STEPS, reaching.MOST_STEPS)
    return state, where & (state.solve_evaluations > steps)


def _next_stage(state: SearchState, over: tf.Tensor, settings: SearchSettings) -> SearchState:
    """Moves images whose stage is over [B] to the beginning of the next.

    Where nothing adversarial was found there is nothing to refine: all stages are over.
    """
    stage = state.stage + tf.cast(over, tf.int32)
    state = state._replace(stage=tf.minimum(stage, len(settings.stages)))
    refine = _of_stage(state, settings, "kind", tf.int32) == REFINE
    failed = over & refine & (state.best_distance == _LARGEST)
    state = state._replace(stage=tf.where(failed, len(settings.stages), state.stage))
    point = tf.where(refine[:, None], state.best, state.problem.original)
    solve = state.solve._replace(
        point=tf.where(over[:, None], point, state.solve.point),
        step_length=tf.where(over, 0.0, state.solve.step_length),
    )
    return state._replace(
        solve=solve,
        restart=state.restart | over,
        solve_evaluations=tf.where(over, 0, state.solve_evaluations),
        c=tf.where(over, 0.0, state.c),
        c_low=tf.where(over, 0.0, state.c_low),
        c_high=tf.where(over, _LARGEST, state.c_high),
        margin_high=tf.where(over, state.problem.margin, state.margin_high),
        misses=tf.where(over, 0, state.misses),
    )


def _end(
    state: SearchState, broken: tf.Tensor, misled: tf.Tensor, settings: SearchSettings
) -> SearchState:
    """Gives each image whose search is over the reason."""
    found = state.best_distance < _LARGEST
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
        status = tf.where((status == RUNNING) & ended, reason, status)
    return state._replace(status=status)


def _log(c: tf.Tensor) -> tf.Tensor:
    return tf.math.log(tf.clip_by_value(c, _SMALLEST, _LARGEST))
