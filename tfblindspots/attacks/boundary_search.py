"""The search for the nearest adversarial image: projected L-BFGS inside a search over c.

For one image x0 and one weight c, box-constrained L-BFGS finds the minimiser x(c) of

    c * phi(x - x0) + loss(x)    subject to 0 <= x <= 1      (Szegedy et al. 2013, section 4.1)

and the margin of x(c), which rises with c, tells on which side of the class boundary it lies. The
root of that margin in c is bracketed and closed. A batch advances one evaluation at a time, every
image in its own phase: one image's trial point is a line search's second try while its neighbour's
is the first step at a new c.
"""

from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from tfblindspots.attacks.objectives import Goal
from tfblindspots.solvers import projected_lbfgs as lbfgs
from tfblindspots.solvers.distances import Distance, WeightedDistance

# What a slot is doing, or why its image's search ended.
IDLE, RUNNING, CONVERGED, LIMIT, NOT_FOUND, NOT_FINITE = range(6)

_SMALLEST, _LARGEST = 1e-20, 1e20


@dataclass(frozen=True)
class SearchSettings:
    """What the search may spend on an image, and when it stops."""

    pairs: int  # curvature pairs kept
    max_evaluations: int  # of value and gradient
    # Sharpness of the loss, stage by stage; each stage starts where the one before ended.
    sharpness: tuple[float, ...] = (1.0, 8.0)
    # A stage ends when the ratio of the bracket's ends is below this.
    bracket_ratios: tuple[float, ...] = (1.3, 1.2)
    # x is taken for the minimiser when its projected gradient is below a share of the loss's
    # gradient: the first while the bracket is wide, the second when it is nearly closed.
    loose_tolerance: float = 0.1
    tight_tolerance: float = 0.03
    # Evaluations spent on one value of c at most.
    max_solve: int = 20


class SearchState(NamedTuple):
    """B slots of n pixels, an image each. float32 unless said."""

    original: tf.Tensor  # x0, [B, n]
    goal: Goal
    status: tf.Tensor  # int32 [B]
    evaluations: tf.Tensor  # int32 [B]
    # The minimisation at the c of the moment.
    solve: lbfgs.Solve
    margin: tf.Tensor  # at the solve's point, [B]
    restart: tf.Tensor  # bool [B]: the next trial point is taken whatever its value
    solve_evaluations: tf.Tensor  # int32 [B]: spent at this c
    # The search over c.
    stage: tf.Tensor  # int32 [B]: of the sharpness
    c: tf.Tensor  # [B]; 0 before the first evaluation
    c_low: tf.Tensor  # [B]: the largest c whose minimiser was adversarial; 0: none yet
    c_high: tf.Tensor  # [B]: the smallest c whose minimiser was not; _LARGEST: none yet
    margin_low: tf.Tensor  # [B]: of the minimiser at c_low
    margin_high: tf.Tensor  # [B]: of the minimiser last missed, before that of x0
    # The root in c under the first stage's loss, [B]: the paper's c. Until known, the latest c.
    threshold: tf.Tensor
    # The nearest adversarial point of all that were evaluated.
    best: tf.Tensor  # [B, n]
    best_distance: tf.Tensor  # phi(best - x0), [B]; _LARGEST: none yet


def start(
    original: tf.Tensor, goal: Goal, active: tf.Tensor, settings: SearchSettings
) -> SearchState:
    """Slots for new images, none of them evaluated yet.

    Args:
      original: float32 [B, n], in the box.
      goal: what each is to be turned into.
      active: bool [B]; slots where it is False stay idle.
      settings: of the search.
    """
    zeros = tf.zeros_like(original[:, 0])
    integers = tf.zeros_like(goal.label)
    return SearchState(
        original=original,
        goal=goal,
        status=tf.where(active, RUNNING, IDLE),
        evaluations=integers,
        solve=lbfgs.begin(original, settings.pairs),
        margin=zeros,
        restart=tf.ones_like(active),
        solve_evaluations=integers,
        stage=integers,
        c=zeros,
        c_low=zeros,
        c_high=zeros + _LARGEST,
        margin_low=zeros,
        margin_high=zeros + _LARGEST,
        threshold=zeros,
        best=original,
        best_distance=zeros + _LARGEST,
    )


def sharpness(state: SearchState, settings: SearchSettings) -> tf.Tensor:
    """K of each image's loss at its stage, [B]."""
    return tf.gather(tf.constant(settings.sharpness), state.stage)


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
        distance=WeightedDistance(phi, state.c, state.original),
        restart=state.restart,
    )
    state = state._replace(
        solve=solve,
        margin=tf.where(outcome.accepted, margin, state.margin),
    )
    first = state.c == 0
    c = tf.where(first, first_weight(solve, margin), state.c)
    margin_high = tf.where(first, margin, state.margin_high)
    state = state._replace(c=c, margin_high=margin_high)

    distance = WeightedDistance(phi, c, state.original)
    solved = ~state.restart & (
        (outcome.accepted & is_minimiser(state, distance, settings))
        | outcome.stuck
        | (state.solve_evaluations >= settings.max_solve)
    )
    state, sharpened, closed = _close_bracket(state, solved, settings)
    broken = outcome.stuck & (state.restart | ~tf.math.is_finite(loss))
    state = _end(state, closed, broken, settings)

    renewed = outcome.accepted | outcome.stuck | solved
    solve = lbfgs.renew(
        state.solve, WeightedDistance(phi, state.c, state.original), 0.0, 1.0, where=renewed
    )
    # A sharper loss has other values: the next evaluation is of the same point.
    solve = solve._replace(step_length=tf.where(sharpened, 0.0, solve.step_length))
    return state._replace(
        solve=solve,
        restart=sharpened,
        solve_evaluations=tf.where(solved, 0, state.solve_evaluations),
    )


def first_weight(solve: lbfgs.Solve, margin: tf.Tensor) -> tf.Tensor:
    """The first c, from a linearisation at x0, [B].

    With g the loss's gradient on the free pixels and m the margin, c = ||g||^2 / (4 |m|): the
    linearised margin of its minimiser is -m.
    """
    free = lbfgs.free_variables(solve.point, solve.gradient, 0.0, 1.0)
    squared = tf.reduce_sum(free * solve.gradient**2, axis=-1)
    return tf.clip_by_value(0.25 * squared / tf.maximum(tf.abs(margin), _SMALLEST), 1e-12, 1e12)


def is_minimiser(
    state: SearchState, distance: WeightedDistance, settings: SearchSettings
) -> tf.Tensor:
    """Whether x is near enough to the minimiser at this c, bool [B].

    The projected gradient is compared with the loss's own, of which nothing is left to cancel at
    a minimiser. Far from the root a wrong side costs little; in a narrow bracket it costs more.
    """
    residual, scale = lbfgs.residuals(state.solve, distance, 0.0, 1.0)
    width = _log(state.c_high) - _log(state.c_low)
    tolerance = tf.clip_by_value(0.5 * width, settings.tight_tolerance, settings.loose_tolerance)
    return residual <= tolerance * scale


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


def _keep_best(
    state: SearchState, trial: tf.Tensor, margin: tf.Tensor, phi: Distance
) -> SearchState:
    """Any adversarial trial point counts, whether or not the line search takes it."""
    trial_distance = phi.value(trial - state.original)
    nearer = (state.status == RUNNING) & (margin < 0) & (trial_distance < state.best_distance)
    return state._replace(
        best=tf.where(nearer[:, None], trial, state.best),
        best_distance=tf.where(nearer, trial_distance, state.best_distance),
    )


def _close_bracket(
    state: SearchState, solved: tf.Tensor, settings: SearchSettings
) -> tuple[SearchState, tf.Tensor, tf.Tensor]:
    """Where ``solved``: moves an end of the bracket and sets the next c, or the next stage.

    Returns:
      The state, where the loss was sharpened, and where the last stage's bracket has closed.
    """
    adversarial = solved & (state.margin < 0)
    missed = solved & ~(state.margin < 0)
    state = state._replace(
        c_low=tf.where(adversarial, state.c, state.c_low),
        margin_low=tf.where(adversarial, state.margin, state.margin_low),
        c_high=tf.where(missed, state.c, state.c_high),
        margin_high=tf.where(missed, state.margin, state.margin_high),
    )
    ratio = tf.gather(tf.constant(settings.bracket_ratios), state.stage)
    narrow = solved & (state.c_high <= ratio * state.c_low)
    last = state.stage == len(settings.sharpness) - 1
    closed, sharpened = narrow & last, narrow & ~last
    estimate = next_weight(state)
    state = state._replace(
        c=tf.where(solved & ~narrow, estimate, state.c),
        threshold=tf.where(solved & (state.stage == 0), estimate, state.threshold),
        stage=state.stage + tf.cast(sharpened, tf.int32),
        c_low=tf.where(sharpened, 0.0, state.c_low),
        c_high=tf.where(sharpened, _LARGEST, state.c_high),
    )
    return state, sharpened, closed


def _end(
    state: SearchState, closed: tf.Tensor, broken: tf.Tensor, settings: SearchSettings
) -> SearchState:
    """Gives each image whose search is over the reason."""
    found = state.best_distance < _LARGEST
    spent = state.evaluations >= settings.max_evaluations
    status = state.status
    for reason, ended in (
        (NOT_FINITE, broken),
        (CONVERGED, closed),
        (LIMIT, spent & found),
        (NOT_FOUND, (spent | (state.c < 1e-12)) & ~found),
    ):
        status = tf.where((status == RUNNING) & ended, reason, status)
    return state._replace(status=status)


def _log(c: tf.Tensor) -> tf.Tensor:
    return tf.math.log(tf.clip_by_value(c, _SMALLEST, _LARGEST))
