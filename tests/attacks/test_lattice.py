"""The nearest grey levels of a linear boundary, against all there are."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_array_equal

from tfblindspots.attacks.lattice import close, nearest_levels, open_bracket

RADIUS = 6


@pytest.mark.parametrize("whole", [True, False])
def test_no_grey_levels_of_as_much_gain_are_nearer(whole: bool) -> None:
    rng = np.random.default_rng(0)
    original = rng.uniform(-3, 258, (40, 3)).clip(0, 255)
    original = original.round() if whole else original
    direction = rng.normal(size=(40, 3))
    gain = rng.uniform(0.5, 5, 40)
    found = nearest_levels(*(tf.constant(x, tf.float32) for x in (original, direction, gain)))
    steps = np.array(list(itertools.product(range(-RADIUS, RADIUS + 1), repeat=3)))
    compared = 0
    for u, d, t, q in zip(original, direction, gain, found.numpy(), strict=True):
        assert_array_equal(q, np.clip(np.rint(q), 0, 255))
        reached = d @ (q - u)
        if reached < t:  # the box is in the way: every pixel is at its end
            assert_array_equal(q, np.where(d > 0, 255, 0))
            continue
        # One step less of the multiplier is too little.
        assert reached - t <= np.abs(d).max() + 1e-4
        if np.abs(q - u).max() > RADIUS - 1:
            continue
        every = np.rint(u) + steps
        every = every[((every >= 0) & (every <= 255)).all(axis=1)]
        as_good = every[(every - u) @ d >= reached - 1e-4]
        # But for the thousandth by which equal pixels are told apart.
        assert np.square(q - u).sum() <= np.square(as_good - u).sum(axis=1).min() * 1.002 + 1e-3
        compared += 1
    assert compared > 20


def test_a_box_without_room_ends_at_its_corner() -> None:
    q = nearest_levels(tf.constant([[254.0, 1.0]]), tf.constant([[1.0, -2.0]]), tf.constant([99.0]))
    assert_array_equal(q, [[255, 0]])


def test_of_pixels_worth_the_same_no_more_than_needed_change() -> None:
    q = nearest_levels(tf.fill([1, 9], 100.0), tf.ones([1, 9]), tf.constant([3.9]))
    assert_array_equal(np.sort(q), [[100] * 5 + [101] * 4])


def test_no_direction_is_plain_rounding() -> None:
    q = nearest_levels(tf.constant([[1.4, 7.6]]), tf.zeros([1, 2]), tf.constant([1.0]))
    assert_array_equal(q, [[1, 8]])


def test_the_bracket_closes_on_the_root_from_the_side_that_hits() -> None:
    roots = tf.constant([0.7, 1.0, 1.9, 40.0])
    bracket = open_bracket(tf.ones(4))
    for _ in range(14):
        bracket = close(bracket, 1.5 * (roots - bracket.gain), tf.ones(4))
    assert (bracket.high.numpy() > roots.numpy()).all()
    assert (bracket.low.numpy() <= roots.numpy()).all()
    np.testing.assert_allclose(bracket.high, roots, rtol=2e-3)
