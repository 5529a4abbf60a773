"""The decisions of the search over c, one by one."""

import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.attacks import boundary_search as search
from tfblindspots.attacks.boundary_search import SearchSettings
from tfblindspots.attacks.objectives import Goal
from tfblindspots.solvers import SQUARED_L2
from tfblindspots.solvers import projected_lbfgs as lbfgs

SETTINGS = SearchSettings(pairs=2, max_evaluations=100)


def _state(**fields: list[float]) -> search.SearchState:
    goal = Goal(tf.zeros(1, tf.int32), tf.fill([1], -1))
    state = search.start(tf.fill([1, 3], 0.5), goal, tf.constant([True]), SETTINGS)
    return state._replace(**{name: tf.constant(value) for name, value in fields.items()})


def test_the_first_weight_overshoots_a_linear_margin_by_as_much_as_it_was_positive() -> None:
    gradient = tf.constant([[3.0, -1.0, 2.0, 5.0]])
    point = tf.constant([[0.5, 0.5, 0.5, 0.0]])  # the last pixel cannot follow its gradient
    solve = lbfgs.begin(point, 1)._replace(gradient=gradient)
    margin = tf.constant([4.0])
    c = search.first_weight(solve, margin)
    free = gradient[:, :3]
    minimiser = -free / (2 * c)
    np.testing.assert_allclose(margin + tf.reduce_sum(free * minimiser), -margin, rtol=1e-5)


@pytest.mark.parametrize(
    ("low", "high", "margins", "expected"),
    [
        (1.0, 4.0, (-1.0, 1.0), 2.0),  # the secant in log c
        (1.0, 4.0, (-1e-6, 1.0), 4.0**0.1),  # kept 10 % inside
        (1.0, 4.0, (-1.0, 1e-6), 4.0**0.9),
        (1.0, 1e20, (-1.0, 1.0), 2.0),  # one-sided: margin linear in 1 / c
        (1.0, 1e20, (-9.0, 1.0), 4.0),  # by four at most
        (0.0, 1.0, (0.0, 1.0), 0.25),  # nothing adversarial yet
    ],
)
def test_the_next_weight(
    low: float, high: float, margins: tuple[float, float], expected: float
) -> None:
    state = _state(
        c=[1.0], c_low=[low], c_high=[high], margin_low=[margins[0]], margin_high=[margins[1]]
    )
    np.testing.assert_allclose(search.next_weight(state), [expected], rtol=1e-5)


def test_a_linear_margin_is_solved_to_its_root() -> None:
    """loss = margin = 1 - x: the nearest point with x > 1 along one pixel is 1 itself."""
    weights = tf.constant([[1.0, 2.0, 0.5]])
    goal = Goal(tf.zeros(1, tf.int32), tf.fill([1], -1))
    settings = SearchSettings(pairs=1, max_evaluations=100)
    state = search.start(tf.fill([1, 3], 0.2), goal, tf.constant([True]), settings)
    for _ in range(100):
        trial = search.trial_point(state)
        margin = 1.5 - tf.reduce_sum(weights * trial, -1)
        k = search.sharpness(state, settings)
        loss = tf.nn.softplus(k * margin) / k
        gradient = -weights * tf.nn.sigmoid(k * margin)[:, None]
        state = search.update(
            state, trial, loss, gradient, margin, phi=SQUARED_L2, settings=settings
        )
        if state.status[0] != search.RUNNING:
            break
    assert state.status[0] == search.CONVERGED
    nearest = 0.2 + weights * (1.5 - 0.7) / tf.reduce_sum(weights**2)
    np.testing.assert_allclose(state.best, nearest, rtol=0.03)
    assert state.evaluations[0] < 40


def test_idle_slots_stay_as_they_are() -> None:
    goal = Goal(tf.zeros(2, tf.int32), tf.fill([2], -1))
    state = search.start(tf.fill([2, 3], 0.5), goal, tf.constant([True, False]), SETTINGS)
    state = search.update(
        state,
        search.trial_point(state),
        tf.ones(2),
        tf.ones([2, 3]),
        tf.ones(2),
        phi=SQUARED_L2,
        settings=SETTINGS,
    )
    np.testing.assert_array_equal(state.status, [search.RUNNING, search.IDLE])
    np.testing.assert_array_equal(state.evaluations, [1, 0])
