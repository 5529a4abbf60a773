import numpy as np
import tensorflow as tf

from tfblindspots.attacks import reaching

RNG = np.random.default_rng(0)
ORIGINAL = tf.constant(RNG.uniform(0.3, 0.7, (4, 100)), tf.float32)


def test_each_row_has_its_own_noise() -> None:
    keys = np.array([[0, 1, 0], [0, 2, 0], [0, 1, 0], [0, 1, 1], [1, 1, 0]])
    noise = reaching.noise(keys, 5000)
    np.testing.assert_array_equal(noise[0], noise[2])
    assert np.abs(np.corrcoef(noise[[0, 1, 3, 4]]) - np.eye(4)).max() < 0.05
    np.testing.assert_allclose(noise.std(axis=1), 0.3, rtol=0.05)


def test_the_first_sphere_is_no_larger_than_the_slope_foretells() -> None:
    radius, share = reaching.first_sphere(tf.constant([0.5, 100.0, np.inf]), 400)
    np.testing.assert_allclose(radius, [0.5, 2.14, 2.14], rtol=1e-5)
    np.testing.assert_allclose(share, [0.5 / 2.14, 1.0, 1.0], rtol=1e-5)


def test_a_step_goes_down_the_loss_and_stays_on_its_sphere() -> None:
    point = ORIGINAL + 0.01
    gradient = tf.constant(RNG.normal(size=(4, 100)), tf.float32)
    margin = tf.constant([1.0, -1.0, 1.0, -1.0])
    radius = tf.fill([4], 0.2)
    number = tf.fill([4], 3)
    moved, after = reaching.step(ORIGINAL, point, gradient, margin, radius, number, -ORIGINAL)
    np.testing.assert_allclose(after, [0.21, 0.19, 0.21, 0.19], rtol=1e-5)
    np.testing.assert_allclose(tf.norm(moved - ORIGINAL, axis=-1), after, rtol=1e-4)
    assert (tf.reduce_sum((moved - point) * gradient, axis=-1) < 0).numpy().all()


def test_the_size_of_the_gradient_does_not_matter() -> None:
    point = ORIGINAL + 0.01
    gradient = tf.constant(RNG.normal(size=(4, 100)), tf.float32)
    ones, numbers = tf.ones(4), tf.fill([4], 1)
    plain, _ = reaching.step(ORIGINAL, point, gradient, ones, ones, numbers, ORIGINAL)
    tiny, _ = reaching.step(ORIGINAL, point, 1e-9 * gradient, ones, ones, numbers, ORIGINAL)
    np.testing.assert_allclose(tiny, plain, rtol=1e-4)


def test_without_a_gradient_it_goes_elsewhere() -> None:
    noise = tf.constant(RNG.normal(size=(4, 100)), tf.float32)
    margin, radius, number = tf.constant([1.0, 1.0, -1.0, -1.0]), tf.fill([4], 0.2), tf.fill([4], 1)
    moved, _ = reaching.step(
        ORIGINAL, ORIGINAL + 0.01, tf.zeros([4, 100]), margin, radius, number, noise
    )
    unit = tf.math.l2_normalize(moved - ORIGINAL, axis=-1)
    np.testing.assert_allclose(unit[:2], tf.math.l2_normalize(noise, axis=-1)[:2], atol=1e-5)
    np.testing.assert_allclose(unit[2:], np.full([2, 100], 0.1), atol=1e-4)
