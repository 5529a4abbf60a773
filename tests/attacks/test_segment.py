import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.attacks import segment
from tfblindspots.solvers import L2, SQUARED_L2, Distance


def test_the_boundary_along_the_segment_is_met_and_never_crossed() -> None:
    rng = np.random.default_rng(0)
    original = tf.constant(rng.uniform(size=(50, 9)), tf.float32)
    found = tf.constant(rng.uniform(size=(50, 9)), tf.float32)
    crossing = rng.uniform(0.8, 0.999, 50).astype(np.float32)
    steepness = rng.uniform(0.5, 3, 50).astype(np.float32)
    calls = []

    def margins(points: tf.Tensor) -> tf.Tensor:
        calls.append(len(points))
        length = tf.norm(found - original, axis=-1)
        share = tf.norm(points - original, axis=-1) / length
        return crossing**steepness - share**steepness

    result, spent = segment.tighten(
        margins, original, crossing**steepness, found, tf.constant(segment.MORE, tf.int64)
    )
    share = np.linalg.norm(result - original, axis=1) / np.linalg.norm(found - original, axis=1)
    assert len(calls) == spent.numpy().max()
    assert (share >= crossing).all()
    assert (share <= 1).all()
    assert (share / crossing - 1).max() < 0.004
    points = result.numpy()
    assert points.min() >= 0 and points.max() <= 1


def test_flat_margins_are_halved_and_the_others_left_alone() -> None:
    """Margins that say nothing of how far the boundary is, beside one that is a straight line."""
    original = tf.zeros([3, 4])
    found = tf.ones([3, 4])
    crossing = tf.constant([0.345, 0.01, 0.7])

    def margins(points: tf.Tensor) -> tf.Tensor:
        share = points[:, 0]
        flat = tf.where(share > crossing, -1e-4, 1e-4)
        return tf.where(tf.range(3) < 2, flat, crossing - share)

    start = tf.constant([100.0, 100.0, 0.7])
    result, spent = segment.tighten(
        margins, original, start, found, tf.constant(segment.MORE, tf.int64)
    )
    more = tf.constant(segment.MORE, tf.int64)
    alone, _ = segment.tighten(
        lambda points: 0.7 - points[:, 0], original[2:], start[2:], found[2:], more
    )
    np.testing.assert_array_equal(result[2:], alone)
    excess = result[:, 0] / crossing - 1
    assert excess[0] < 0.01 and excess[2] < 0.004 and (excess.numpy() >= 0).all()
    assert spent[2] < spent[0] <= segment.EVALUATIONS + segment.MORE
    fewer, spent = segment.tighten(margins, original, start, found, tf.constant(0, tf.int64))
    np.testing.assert_array_equal(spent, [segment.EVALUATIONS] * 3)
    assert (fewer[0] > result[0]).numpy().all()


@pytest.mark.parametrize("phi", [SQUARED_L2, L2])
def test_the_balancing_weight_of_a_minimiser_is_its_own(phi: Distance) -> None:
    """A linear loss with gradient g: inside the box the minimiser at c has c grad phi(r) = -g."""
    original = tf.constant([[0.5, 0.4, 0.0]])
    point = tf.constant([[0.8, 0.2, 0.0]])  # the last pixel is held at its bound
    c = 0.7
    gradient = -c * phi.gradient(point - original) + tf.constant([[0.0, 0.0, 3.0]])
    weight = segment.balancing_weight(phi, point, original, gradient)
    np.testing.assert_allclose(weight, [c], rtol=1e-5)


def test_no_weight_where_nothing_changed() -> None:
    point = tf.constant([[0.5, 0.4]])
    np.testing.assert_array_equal(
        segment.balancing_weight(SQUARED_L2, point, point, tf.ones([1, 2])), [0.0]
    )
