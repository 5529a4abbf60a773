"""Lipschitz constants against slopes, matrices and the pairs of inputs that reach them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.analysis.lipschitz_constants import (
    _ACTIVATIONS,
    activation_constant,
    layer_constant,
    normalization_factors,
)
from tfblindspots.models import LocalResponseNormalization


def constant(layer: keras.Layer, shape: tuple[int, ...]) -> float | None:
    """The layer's constant for inputs of a shape."""
    inputs = keras.Input(shape)
    return layer_constant(layer, shape, tuple(layer(inputs).shape[1:]))


@pytest.mark.parametrize("name", sorted(set(_ACTIVATIONS) - {"softmax"}))
def test_constants_of_activations_are_their_largest_slopes(name: str) -> None:
    points = np.linspace(-12, 12, 240_001)
    values = keras.ops.convert_to_numpy(getattr(keras.activations, name)(points))
    slope = np.abs(np.diff(values) / np.diff(points)).max()
    known = activation_constant(getattr(keras.activations, name))
    # SELU is steepest just below 0, ELU and others just above.
    assert known is not None
    assert slope <= known * (1 + 1e-6)
    assert slope > 0.999 * known


def test_constant_of_softmax_is_reached_at_two_equal_classes() -> None:
    start = np.array([0.0, 0.0, -40.0])
    step = np.array([1e-4, -1e-4, 0.0])
    answers = keras.ops.convert_to_numpy(keras.activations.softmax(np.stack([start, start + step])))
    ratio = np.linalg.norm(answers[1] - answers[0]) / np.linalg.norm(step)
    assert ratio == pytest.approx(activation_constant(keras.activations.softmax), rel=1e-5)


def test_unknown_activations_have_no_constant() -> None:
    assert activation_constant(keras.activations.exponential) is None
    assert activation_constant(lambda x: x) is None
    assert activation_constant(None) == 1


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 2), (3, 1), (2, 3)])
def test_average_pooling_has_the_norm_of_its_matrix(size: int, stride: int, padding: str) -> None:
    layer = keras.layers.AveragePooling2D(size, stride, padding)
    units = np.eye(7 * 6, dtype=np.float32).reshape(-1, 7, 6, 1)
    matrix = keras.ops.convert_to_numpy(layer(units)).reshape(42, -1)
    assert constant(layer, (7, 6, 1)) == pytest.approx(np.linalg.norm(matrix, 2), rel=1e-5)


@pytest.mark.parametrize(
    ("size", "stride", "expected"), [(2, 2, 1.0), (3, 2, 2.0), (3, 1, 3.0), (2, 3, 1.0)]
)
def test_a_pixel_that_is_in_several_windows_counts_in_each(
    size: int, stride: int, expected: float
) -> None:
    layer = keras.layers.MaxPooling2D(size, stride)
    assert constant(layer, (12, 12, 1)) == expected
    # A single bright pixel reaches it.
    spots = np.eye(144, dtype=np.float32).reshape(-1, 12, 12, 1)
    answers = keras.ops.convert_to_numpy(layer(spots)).reshape(144, -1)
    assert np.linalg.norm(answers, axis=1).max() == pytest.approx(expected)


def test_windows_that_do_not_fit_do_not_count() -> None:
    assert constant(keras.layers.MaxPooling2D(3, 2), (4, 12, 1)) == pytest.approx(2**0.5)


def test_batch_normalisation_multiplies_by_its_factors() -> None:
    layer = keras.layers.BatchNormalization()
    images = keras.Input((4, 4, 3))
    layer(images)
    generator = np.random.default_rng(0)
    layer.set_weights([generator.uniform(0.5, 2, 3) * sign for sign in (-1, 1, 1, 1)])
    difference = np.eye(3, dtype=np.float32).reshape(3, 1, 1, 3)
    plain = np.zeros((3, 1, 1, 3), np.float32)
    answers = keras.ops.convert_to_numpy(layer(difference) - layer(plain)).reshape(3, 3)
    np.testing.assert_allclose(np.diag(answers), normalization_factors(layer), rtol=1e-5)
    assert constant(layer, (4, 4, 3)) == pytest.approx(np.abs(answers).max(), rel=1e-5)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (keras.layers.Flatten(), 1.0),
        (keras.layers.ReLU(), 1.0),
        (keras.layers.ReLU(negative_slope=2.0), 2.0),
        (keras.layers.ReLU(threshold=1.0), None),
        (keras.layers.LeakyReLU(negative_slope=0.3), 1.0),
        (keras.layers.ELU(3.0), 3.0),
        (keras.layers.PReLU(alpha_initializer=keras.initializers.Constant(1.5)), 1.5),
        (keras.layers.Softmax(), 0.5),
        (keras.layers.Softmax(axis=(1, 2)), None),
        (keras.layers.Activation("tanh"), 1.0),
        (keras.layers.Rescaling(255.0), 255.0),
        (keras.layers.Rescaling([1.0, -3.0], 1.0), 3.0),
        (keras.layers.Normalization(mean=[0.0, 1.0], variance=[4.0, 0.25]), 2.0),
        (keras.layers.Normalization(mean=[0.0, 1.0], variance=[4.0, 0.25], invert=True), 2.0),
        (keras.layers.GlobalAveragePooling2D(), 0.2),
        (keras.layers.GlobalMaxPooling2D(), 1.0),
        (keras.layers.UpSampling2D((2, 3)), 6**0.5),
        (keras.layers.UpSampling2D(2, interpolation="bilinear"), None),
        (keras.layers.LayerNormalization(), None),
        (keras.layers.Resizing(3, 3), None),
    ],
)
def test_constants_of_other_layers(layer: keras.Layer, expected: float | None) -> None:
    found = constant(layer, (5, 5, 2))
    assert found == (None if expected is None else pytest.approx(expected, rel=1e-6))


@pytest.mark.parametrize(
    ("radius", "bias", "alpha", "beta"), [(2, 2.0, 1e-4, 0.75), (1, 1.0, 0.5, 1.0), (3, 0.5, 2, 2)]
)
def test_local_response_normalisation_is_below_its_bound(
    radius: int, bias: float, alpha: float, beta: float
) -> None:
    layer = LocalResponseNormalization(radius, bias, alpha, beta)
    known = constant(layer, (1, 1, 9))
    assert known is not None
    generator = np.random.default_rng(0)
    points = generator.normal(size=(3000, 1, 1, 9))
    # Where the derivatives are large: the sum of a window near bias / beta.
    points *= np.sqrt(bias / alpha) * generator.uniform(0.01, 2, size=(3000, 1, 1, 1))
    found = tf.constant(points, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(found)
        answers = layer(found)
    matrices = tape.batch_jacobian(answers, found).numpy().reshape(3000, 9, 9)
    norms = np.linalg.norm(matrices, 2, axis=(1, 2))
    assert norms.max() <= known * (1 + 1e-5)
    assert norms.max() > 0.2 * known
