"""The search over c: its first value, the next ones, and when it is over."""

import math

import tensorflow as tf

from tfblindspots.attacks.search_state import LARGEST, SMALLEST, SearchState, sharpness
from tfblindspots.attacks.stages import REACH, REFINE, SearchSettings
from tfblindspots.solvers import projected_lbfgs as lbfgs
from tfblindspots.solvers.distances import Distance, row_dot, row_norm


def first_weight(state: SearchState, kind: tf.Tensor, k: tf.Tensor, phi: Distance) -> SearchState:
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
    margin = tf.maximum(tf.abs(state.margin), SMALLEST)
    slope = _slope(state, k)
    pull = row_norm(free * phi.gradient(point - state.problem.original))
    balanced = tf.math.divide_no_nan(0.5 * tf.sqrt(squared) / slope, pull)
    c = tf.clip_by_value(tf.where(kind == REFINE, balanced, 0.25 * squared / margin), 1e-18, 1e18)
    return state._replace(c=tf.where(first, c, state.c))


def close_bracket(
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
        c_high=tf.where(missed, state.c, state.c_high),
        misses=state.misses + tf.cast(missed, tf.int64),
    )
    foretold = next_weight(state, settings)
    near = tf.abs(_log(foretold) - _log(state.c)) < math.log(settings.near)
    near &= state.best_distance < LARGEST
    closed = solved & (near | (state.c_high <= settings.bracket_ratio * state.c_low))
    given_up = (state.c_low == 0) & (state.misses >= settings.max_misses)
    state = state._replace(c=tf.where(solved & ~closed, foretold, state.c))
    return state, closed | given_up


def next_weight(state: SearchState, settings: SearchSettings) -> tf.Tensor:
    """The c whose minimiser lies on the boundary, as the minimiser at this c foretells it, [B].

    The minimiser balances c grad phi(r) with the loss's gradient, which is a share of the margin's:
    half of it on the boundary. r and the margin's fall from x0 are taken as in proportion. c rises
    by the settings' pace at most, falls by a factor of 8 at most, and keeps within 20 to 80 % of
    the bracket in log c.
    """
    # A tie of two classes is a margin of zero.
    fallen = 1.0 - state.margin / tf.maximum(state.problem.margin, SMALLEST)
    factor = 0.5 / _slope(state, sharpness(state, settings)) * fallen
    foretold = state.c * tf.clip_by_value(factor, 1 / 8, settings.pace)
    low, high = _log(state.c_low), _log(state.c_high)
    share = tf.clip_by_value((_log(foretold) - low) / (high - low), 0.2, 0.8)
    inside = tf.exp(low + share * (high - low))
    return tf.where((state.c_low > 0) & (state.c_high < LARGEST), inside, foretold)


def _slope(state: SearchState, k: tf.Tensor) -> tf.Tensor:
    """The share of the margin's gradient that the loss's is at x, [B].

    The loss is softplus(k m) / k with m the smoothed margin; its derivative by m is this.
    """
    return tf.maximum(1.0 - tf.exp(-k * state.solve.loss), 1e-6)


def _log(c: tf.Tensor) -> tf.Tensor:
    return tf.math.log(tf.clip_by_value(c, SMALLEST, LARGEST))
