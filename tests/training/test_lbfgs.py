"""Full-batch L-BFGS against SciPy, and what it says of itself."""

import numpy as np
import pytest
import scipy.optimize
import scipy.special
import tensorflow as tf

from tfblindspots.data import ImageDataset, load_dataset
from tfblindspots.errors import InputError
from tfblindspots.models import get_definition
from tfblindspots.training.lbfgs import fit_lbfgs, minimize


@pytest.fixture(scope="module")
def digits() -> ImageDataset:
    return load_dataset("digits", "train")


def _rosenbrock(position: tf.Tensor) -> tf.Tensor:
    x, y = position[0::2], position[1::2]
    return tf.reduce_sum(100.0 * (y - x**2) ** 2 + (1.0 - x) ** 2)


_START = tf.constant([-1.2, 1.0, 0.5, -0.3])


def _softmax_regression_minimum(dataset: ImageDataset, weight_decay: float) -> float:
    """The least loss, by SciPy in float64."""
    pixels = dataset.images.reshape(len(dataset.images), -1).astype(np.float64)
    one_hot = np.eye(dataset.num_classes)[dataset.labels]
    kernel_shape = (pixels.shape[1], dataset.num_classes)

    def loss(position: np.ndarray) -> tuple[float, np.ndarray]:
        kernel = position[: np.prod(kernel_shape)].reshape(kernel_shape)
        log_probabilities = scipy.special.log_softmax(
            pixels @ kernel + position[kernel.size :], axis=1
        )
        value = -np.mean(np.sum(one_hot * log_probabilities, axis=1))
        value += weight_decay * np.sum(kernel**2) / kernel_shape[1]
        error = (np.exp(log_probabilities) - one_hot) / len(pixels)
        kernel_gradient = pixels.T @ error + 2 * weight_decay * kernel / kernel_shape[1]
        return value, np.concatenate([kernel_gradient.ravel(), error.sum(axis=0)])

    start = np.zeros(np.prod(kernel_shape) + dataset.num_classes)
    options = {"maxiter": 10_000, "maxfun": 20_000, "ftol": 0.0, "gtol": 1e-9}
    return scipy.optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options=options).fun


@pytest.mark.parametrize("name", ["fc10-1e-2", "fc10-1"])
def test_softmax_regression_reaches_the_minimum_that_scipy_finds(digits: ImageDataset, name: str):
    definition = get_definition(name)
    result = fit_lbfgs(
        definition.build((8, 8, 1), 10, 0),
        digits.images,
        digits.labels,
        definition.weight_decays,
        max_iterations=500,
    )
    expected = _softmax_regression_minimum(digits, definition.weight_decays["logits"])
    assert result.converged, result.message
    assert "converged to the rounding of float32" in result.message
    assert result.loss == pytest.approx(expected, abs=1e-5)


def test_chunks_follow_the_iterates_of_one_uninterrupted_run():
    whole, chunked = (
        minimize(_rosenbrock, _START, max_iterations=17, relative_tolerance=0.0, chunk=chunk)
        for chunk in (17, 5)
    )
    np.testing.assert_array_equal(whole.position, chunked.position)
    assert whole[1:] == chunked[1:]
    assert whole.iterations == 17


def test_rosenbrock_converges_to_ones():
    minimum = minimize(_rosenbrock, _START, max_iterations=200, relative_tolerance=0.0)
    np.testing.assert_allclose(minimum.position, np.ones(4), atol=1e-3)
    assert minimum.converged
    assert minimum.gradient_norm <= 1e-6
    assert minimum.evaluations > minimum.iterations > 10


def test_the_limit_of_iterations_is_not_convergence():
    minimum = minimize(_rosenbrock, _START, max_iterations=3)
    assert (minimum.converged, minimum.iterations) == (False, 3)
    assert "not converged: stopped at the limit of 3 iterations" in minimum.message


def test_a_line_search_that_finds_nothing_is_not_convergence():
    # Linear, so no step along the line ever satisfies the curvature condition.
    minimum = minimize(lambda x: -tf.reduce_sum(x), tf.zeros(2), max_iterations=5)
    assert not minimum.converged
    assert "line search" in minimum.message


def test_little_progress_over_a_chunk_counts_as_convergence():
    minimum = minimize(_rosenbrock, _START, max_iterations=100, relative_tolerance=0.9999, chunk=5)
    assert (minimum.converged, minimum.iterations) == (True, 5)
    assert "5 iterations lowered the loss by" in minimum.message


def test_a_start_at_the_minimum_takes_no_iteration():
    minimum = minimize(_rosenbrock, tf.ones(4), max_iterations=5)
    assert (minimum.converged, minimum.iterations, minimum.evaluations) == (True, 0, 1)


def test_nan_is_told():
    with pytest.raises(InputError, match=r"^Training bowl diverged: its loss is nan after 0 "):
        minimize(lambda x: tf.reduce_sum(x) * np.nan, tf.zeros(2), max_iterations=5, name="bowl")
