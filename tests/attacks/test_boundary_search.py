"""The decisions of the search over c, one by one."""

import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.attacks import boundary_search as search
from tfblindspots.attacks import search_state as states
from tfblindspots.attacks.objectives import Goal
from tfblindspots.attacks.search_state import Problem
from tfblindspots.attacks.stages import REFINE, SEARCH, SearchSettings, Stage
from tfblindspots.solvers import SQUARED_L2

SETTINGS = SearchSettings(2, (Stage(SEARCH, 20.0), Stage(REFINE, 100.0, tolerance=0.1)))


def _problem(original: list[list[float]], margin: float = 1.0) -> Problem:
    rows = len(original)
    return Problem(
        tf.constant(original),
        Goal(tf.zeros(rows, tf.int64), -tf.ones(rows, tf.int64)),
        tf.fill([rows], margin),
        tf.zeros([rows, 0]),
        tf.fill([rows], 100),
    )


def _state(**fields: list[float]) -> states.SearchState:
    state = states.start(_problem([[0.5] * 3]), tf.constant([True]), SETTINGS)
    return state._replace(**{name: tf.constant(value) for name, value in fields.items()})


def _update(
    state: states.SearchState, gradient: list[list[float]], margin: list[float]
) -> states.SearchState:
    return search.update(
        state,
        search.trial_point(state),
        tf.constant(margin),
        tf.constant(gradient),
        tf.constant(margin),
        phi=SQUARED_L2,
        settings=SETTINGS,
    )


def test_the_first_weight_overshoots_a_linear_margin_by_as_much_as_it_was_positive() -> None:
    gradient = [[3.0, -1.0, 2.0, 5.0]]
    point = [[0.5, 0.5, 0.5, 0.0]]  # the last pixel cannot follow its gradient
    state = states.start(_problem(point, 4.0), tf.constant([True]), SETTINGS)
    c = _update(state, gradient, [4.0]).c
    free = np.array(gradient)[:, :3]
    minimiser = -free / (2 * c.numpy())
    np.testing.assert_allclose(4.0 + np.sum(free * minimiser), -4.0, rtol=1e-5)


def test_a_linear_margin_is_solved_to_its_root() -> None:
    """The margin 1.5 - w.x is zero on a plane: the nearest point is a multiple of w away."""
    weights = tf.constant([[1.0, 2.0, 0.5]])
    state = states.start(_problem([[0.2] * 3], 0.8), tf.constant([True]), SETTINGS)
    for _ in range(100):
        trial = search.trial_point(state)
        margin = 1.5 - tf.reduce_sum(weights * trial, -1)
        k = states.sharpness(state, SETTINGS)
        loss = tf.nn.softplus(k * margin) / k
        gradient = -weights * tf.nn.sigmoid(k * margin)[:, None]
        state = search.update(
            state, trial, loss, gradient, margin, phi=SQUARED_L2, settings=SETTINGS
        )
        if state.status[0] != states.RUNNING:
            break
    assert state.status[0] == states.CONVERGED
    nearest = 0.2 + weights * (1.5 - 0.7) / tf.reduce_sum(weights**2)
    np.testing.assert_allclose(state.best, nearest, rtol=0.03)
    assert state.evaluations[0] < 40


def test_idle_slots_stay_as_they_are() -> None:
    state = states.start(_problem([[0.5] * 3] * 2), tf.constant([True, False]), SETTINGS)
    state = _update(state, [[1.0] * 3] * 2, [-1.0, -1.0])
    np.testing.assert_array_equal(state.status, [states.RUNNING, states.IDLE])
    np.testing.assert_array_equal(state.evaluations, [1, 0])
    np.testing.assert_array_equal(state.best_distance < states.LARGEST, [True, False])


def test_an_image_whose_loss_is_no_number_ends_and_says_so() -> None:
    state = states.start(_problem([[0.5] * 3] * 2), tf.constant([True, True]), SETTINGS)
    state = _update(state, [[np.nan] * 3, [1.0] * 3], [np.nan, 1.0])
    np.testing.assert_array_equal(state.status, [states.NOT_FINITE, states.RUNNING])


@pytest.mark.parametrize(("left", "status"), [(0.5, states.RUNNING), (0.9, states.MISLED)])
def test_a_probe_tells_where_the_loss_misleads(left: float, status: int) -> None:
    """A quarter of the first step halves the margin of a linear model; here ``left`` is left."""
    settings = SearchSettings(1, SETTINGS.stages, probe=True)
    state = states.start(_problem([[0.5] * 3]), tf.constant([True]), settings)
    gradient = tf.constant([[1.0, 0.0, 0.0]])
    for margin in (tf.constant([1.0]), tf.constant([left])):
        trial = search.trial_point(state)
        state = search.update(
            state, trial, margin, gradient, margin, phi=SQUARED_L2, settings=settings
        )
    # From 0.5, the margin 1 and the slope 1: half the way to the boundary is half a pixel.
    np.testing.assert_allclose(trial, [[0.0, 0.5, 0.5]], atol=1e-6)
    assert state.status[0] == status


def test_a_search_without_slope_is_given_up() -> None:
    state = states.start(_problem([[0.5] * 3]), tf.constant([True]), SETTINGS)
    for _ in range(10):
        state = _update(state, [[0.0] * 3], [1.0])
    assert state.status[0] == states.NOT_FOUND
    assert state.evaluations[0] < 10
