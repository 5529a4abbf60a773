"""The next value of c, against the minimiser's own equation."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.attacks import search_state
from tfblindspots.attacks.objectives import Goal
from tfblindspots.attacks.search_state import Problem, SearchState
from tfblindspots.attacks.stages import SEARCH, SearchSettings, Stage
from tfblindspots.attacks.weight_search import close_bracket, next_weight

SHARPNESS = 20.0
SETTINGS = SearchSettings(2, (Stage(SEARCH, SHARPNESS),))


def _minimised(margin: float, *, c: float = 1.0, **fields: float) -> SearchState:
    """An image of margin 1, at a minimiser of this margin."""
    problem = Problem(
        tf.constant([[0.5] * 3]),
        Goal(tf.constant([0], tf.int64), tf.constant([-1], tf.int64)),
        tf.constant([1.0]),
        tf.zeros([1, 0]),
        tf.constant([100]),
    )
    state = search_state.start(problem, tf.constant([True]), SETTINGS)
    loss = np.log1p(np.exp(SHARPNESS * margin)) / SHARPNESS
    state = state._replace(
        c=tf.constant([c], tf.float32),
        margin=tf.constant([margin], tf.float32),
        solve=state.solve._replace(loss=tf.constant([loss], tf.float32)),
    )
    return state._replace(**{name: tf.constant([value]) for name, value in fields.items()})


@pytest.mark.parametrize("margin", [-0.08, -0.02, 0.0, 0.05])
def test_the_weight_of_a_linear_margin_is_foretold_exactly(margin: float) -> None:
    """With the margin 1 - |w| |r|, 2 c |r| = sigmoid(k margin) |w|; on the boundary |r| = 1/|w|."""
    slope = 3.0

    def weight(at: float) -> float:
        length = (1 - at) / slope
        return slope / (1 + np.exp(-SHARPNESS * at)) / (2 * length)

    state = _minimised(margin, c=weight(margin))
    np.testing.assert_allclose(next_weight(state, SETTINGS), [weight(0.0)], rtol=1e-4)


@pytest.mark.parametrize(
    ("margin", "pace", "bracket", "expected"),
    [
        (-1.0, 8.0, {}, 8.0),
        (-1.0, 1.1, {}, 1.1),
        (1.0, 8.0, {}, 1 / 8),  # nothing has moved
        (-1.0, 8.0, {"c_low": 1.0, "c_high": 4.0}, 4.0**0.8),  # kept inside the bracket
        (1.0, 8.0, {"c_low": 0.25, "c_high": 1.0}, 0.25 * 4.0**0.2),
    ],
)
def test_the_next_weight_stays_near(
    margin: float, pace: float, bracket: dict[str, float], expected: float
) -> None:
    settings = dataclasses.replace(SETTINGS, pace=pace)
    state = _minimised(margin, **bracket)
    np.testing.assert_allclose(next_weight(state, settings), [expected], rtol=1e-5)


@pytest.mark.parametrize(
    ("margin", "found", "near", "over"),
    [
        (0.0, True, 1.1, True),
        (0.0, False, 1.1, False),
        (-0.1, True, 1.1, False),
        (0.0, True, 1.0, False),
    ],
)
def test_the_search_is_over_when_the_weight_foretold_is_near(
    margin: float, found: bool, near: float, over: bool
) -> None:
    state = _minimised(margin, best_distance=1.0 if found else search_state.LARGEST)
    settings = dataclasses.replace(SETTINGS, near=near)
    assert bool(close_bracket(state, tf.constant([True]), settings)[1]) == over
