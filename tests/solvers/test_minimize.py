"""The minimiser against SciPy's L-BFGS-B."""

import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf

from tfblindspots.solvers import minimize


def _quadratics(count: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Convex quadratics 0.5 (x - m)' A (x - m) with minima in and out of the box, and starts."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(count, size, size)) / np.sqrt(size)
    hessians = root @ root.transpose(0, 2, 1) + 0.1 * np.eye(size)
    return hessians, rng.uniform(-0.5, 1.5, (count, size)), rng.uniform(0, 1, (count, size))


def _batched(hessians: np.ndarray, minima: np.ndarray):  # type: ignore[no-untyped-def]
    matrix, minimum = tf.constant(hessians, tf.float32), tf.constant(minima, tf.float32)

    def value_and_gradient(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        gradient = tf.linalg.matvec(matrix, x - minimum)
        return 0.5 * tf.reduce_sum(gradient * (x - minimum), -1), gradient

    return value_and_gradient


def _rosenbrock(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = tf.reduce_sum(
            100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1 - x[:, :-1]) ** 2, axis=-1
        )
    return value, tape.gradient(value, x)


@pytest.mark.parametrize("size", [1, 2, 10, 50])
def test_bounded_quadratics(size: int) -> None:
    hessians, minima, starts = _quadratics(20, size, seed=size)
    result = minimize(_batched(hessians, minima), tf.constant(starts, tf.float32), tolerance=1e-4)
    assert result.converged.numpy().all()
    for row, (hessian, minimum, start) in enumerate(zip(hessians, minima, starts, strict=True)):
        oracle = scipy.optimize.minimize(
            lambda x, a=hessian, m=minimum: 0.5 * (x - m) @ a @ (x - m),
            start,
            jac=lambda x, a=hessian, m=minimum: a @ (x - m),
            method="L-BFGS-B",
            bounds=[(0, 1)] * size,
            options={"ftol": 1e-15, "gtol": 1e-10},
        )
        np.testing.assert_allclose(result.value[row], oracle.fun, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(result.point[row], oracle.x, atol=2e-3)


@pytest.mark.parametrize(("lower", "upper"), [(-2.0, 2.0), (0.0, 0.8), (-1.5, 0.5)])
def test_bounded_rosenbrock(lower: float, upper: float) -> None:
    starts = np.random.default_rng(0).uniform(lower, upper, (8, 4)).astype(np.float32)
    result = minimize(_rosenbrock, tf.constant(starts), lower, upper, tolerance=1e-3)
    for row, start in enumerate(starts):
        oracle = scipy.optimize.minimize(
            scipy.optimize.rosen,
            start,
            jac=scipy.optimize.rosen_der,
            method="L-BFGS-B",
            bounds=[(lower, upper)] * 4,
        )
        # The function has a second local minimum for n = 4: no worse than the oracle is right.
        assert result.value[row] <= oracle.fun + 1e-4 * (1 + oracle.fun)
    points = result.point.numpy()
    assert points.min() >= lower and points.max() <= upper


def test_no_more_evaluations_than_scipy() -> None:
    hessians, minima, starts = _quadratics(30, 30, seed=3)
    result = minimize(_batched(hessians, minima), tf.constant(starts, tf.float32), tolerance=1e-3)
    oracle = [
        scipy.optimize.minimize(
            lambda x, a=a, m=m: 0.5 * (x - m) @ a @ (x - m),
            x0,
            jac=lambda x, a=a, m=m: a @ (x - m),
            method="L-BFGS-B",
            bounds=[(0, 1)] * 30,
            options={"ftol": 0, "gtol": 1e-3, "maxcor": 6},
        ).nfev
        for a, m, x0 in zip(hessians, minima, starts, strict=True)
    ]
    assert result.evaluations.numpy().mean() <= 1.1 * np.mean(oracle)


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    hessians, minima, starts = _quadratics(6, 12, seed=4)
    together = minimize(_batched(hessians, minima), tf.constant(starts, tf.float32))
    for row in range(6):
        alone = minimize(
            _batched(hessians[row : row + 1], minima[row : row + 1]),
            tf.constant(starts[row : row + 1], tf.float32),
        )
        np.testing.assert_allclose(together.point[row], alone.point[0], atol=1e-4)


def test_a_row_that_is_not_a_number_ends_alone() -> None:
    def value_and_gradient(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        poison = tf.constant([[1.0], [np.nan], [1.0]])
        return tf.reduce_sum(poison * x**2, -1), 2 * poison * x

    result = minimize(value_and_gradient, tf.fill([3, 4], 0.7))
    np.testing.assert_array_equal(result.failed, [False, True, False])
    np.testing.assert_array_equal(result.converged, [True, False, True])
    np.testing.assert_allclose(result.point.numpy()[[0, 2]], 0.0, atol=1e-6)


def test_the_limit_on_evaluations_is_honoured_and_said() -> None:
    starts = tf.fill([2, 4], -1.0)
    result = minimize(_rosenbrock, starts, -2.0, 2.0, max_evaluations=7)
    np.testing.assert_array_equal(result.evaluations, [7, 7])
    assert not result.converged.numpy().any()


def test_works_compiled() -> None:
    hessians, minima, starts = _quadratics(5, 10, seed=5)
    problem = _batched(hessians, minima)
    start = tf.constant(starts, tf.float32)
    compiled = tf.function(lambda x: minimize(problem, x), jit_compile=True)(start)
    np.testing.assert_allclose(compiled.point, minimize(problem, start).point, atol=1e-3)
