"""The steps of projected L-BFGS against explicit matrices."""

import numpy as np
import tensorflow as tf

from tfblindspots.solvers import projected_lbfgs as lbfgs
from tfblindspots.solvers.distances import NONE, SQUARED_L2, WeightedDistance


def _bfgs_inverse(pairs: list[tuple[np.ndarray, np.ndarray]], size: int) -> np.ndarray:
    """The inverse Hessian by the BFGS formula (Nocedal and Wright, equation 6.17), oldest first."""
    s, y = pairs[-1]
    inverse = np.eye(size) * (s @ y) / (y @ y)
    for s, y in pairs:
        rho = 1 / (s @ y)
        left = np.eye(size) - rho * np.outer(s, y)
        inverse = left @ inverse @ left.T + rho * np.outer(s, s)
    return inverse


def test_direction_is_that_of_the_explicit_inverse_on_the_free_variables() -> None:
    rng = np.random.default_rng(0)
    size, c = 8, 0.7
    root = rng.normal(size=(size, size))
    hessian = root @ root.T + np.eye(size)  # of the loss
    steps = [rng.normal(size=size) for _ in range(3)]  # oldest first
    gradient = rng.normal(size=size)
    point = np.full(size, 0.5)
    point[2], gradient[2] = 0.0, 1.0  # held at the lower bound
    point[5], gradient[5] = 1.0, -1.0  # held at the upper bound
    pairs = lbfgs.CurvaturePairs(
        tuple(tf.constant(s[None], tf.float32) for s in reversed(steps)),
        tuple(tf.constant((hessian @ s)[None], tf.float32) for s in reversed(steps)),
    )
    x, g = tf.constant(point[None], tf.float32), tf.constant(gradient[None], tf.float32)
    free = lbfgs.free_variables(x, g, 0.0, 1.0)
    distance = WeightedDistance(SQUARED_L2, tf.constant([c]), tf.zeros_like(x))
    direction = lbfgs.descent_direction(pairs, g, free, x, distance)[0].numpy()

    moves = np.ones(size, bool)
    moves[[2, 5]] = False
    # y of the whole objective: the stored change of the loss plus 2 c s.
    whole = [(s[moves], (hessian @ s + 2 * c * s)[moves]) for s in steps]
    expected = -_bfgs_inverse(whole, moves.sum()) @ gradient[moves]
    np.testing.assert_allclose(direction[moves], expected, rtol=1e-4, atol=1e-5)
    assert (direction[~moves] == 0).all()


def test_variables_at_a_bound_are_free_to_leave_it() -> None:
    point = tf.constant([[0.0, 0.0, 1.0, 1.0, 0.5]])
    gradient = tf.constant([[1.0, -1.0, 1.0, -1.0, 1.0]])
    free = lbfgs.free_variables(point, gradient, 0.0, 1.0)
    np.testing.assert_array_equal(free, [[0, 1, 1, 0, 1]])


def test_pairs_without_positive_curvature_are_passed_over() -> None:
    step = tf.constant([[1.0, 0.0]])
    pairs = lbfgs.CurvaturePairs((step,), (-step,))
    gradient = tf.constant([[3.0, 4.0]])
    distance = WeightedDistance(NONE, tf.ones(1), tf.zeros([1, 2]))
    direction = lbfgs.descent_direction(
        pairs, gradient, tf.ones([1, 2]), tf.zeros([1, 2]), distance
    )
    np.testing.assert_allclose(direction, -gradient)


def test_remember_shifts_accepted_rows_and_forgets_whole_histories() -> None:
    pairs = lbfgs.empty_pairs(2, tf.zeros([3, 1]))
    for number in (1.0, 2.0, 3.0):
        new = tf.constant([[number]] * 3)
        pairs = lbfgs.remember(
            pairs,
            new,
            10 * new,
            accepted=tf.constant([True, number < 3, True]),
            forget=tf.constant([False, False, number == 3]),
        )
    np.testing.assert_array_equal(tf.concat(pairs.steps, 1), [[3, 2], [2, 1], [0, 0]])
    np.testing.assert_array_equal(tf.concat(pairs.changes, 1), [[30, 20], [20, 10], [0, 0]])


def test_a_failed_step_is_shortened_to_the_parabolas_minimum() -> None:
    # f(t) = (t - 0.3)^2 along the step: minimum at 0.3; then two whose minima are out of bounds.
    value = tf.constant([0.09, 0.0, 0.0])
    trial = tf.constant([0.49, 100.0, np.nan])
    slope = tf.constant([-0.6, -0.1, -1.0])
    lengths = lbfgs.shortened(tf.ones(3), value, trial, slope)
    np.testing.assert_allclose(lengths, [0.3, 0.1, 0.1], rtol=1e-6)


def test_trial_points_are_in_the_box_exactly() -> None:
    solve = lbfgs.begin(tf.constant([[0.1, 0.9, 0.5]]), 1)
    solve = solve._replace(direction=tf.constant([[-1.0, 1.0, 0.2]]), step_length=tf.ones(1))
    np.testing.assert_array_equal(
        lbfgs.trial_point(solve, 0.0, 1.0),
        np.float32([[0.0, 1.0, np.float32(0.5) + np.float32(0.2)]]),
    )
