"""Weight decay and its place in the loss."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.errors import InputError
from tfblindspots.training.objective import (
    check_finite,
    mean_cross_entropy,
    weight_decay_penalty,
)


def _model() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            keras.layers.Conv2D(2, 3, name="convolution", bias_initializer="ones"),
            keras.layers.Flatten(),
            keras.layers.Dense(5, name="hidden_1", bias_initializer="ones"),
            keras.layers.Dense(3, name="logits", bias_initializer="ones"),
        ]
    )


def test_weight_decay_is_lambda_times_sum_of_squares_over_units():
    model = _model()
    weight_decays = {"convolution": 0.5, "hidden_1": 1e-2, "logits": 3.0}
    expected = sum(
        weight_decay * np.sum(np.square(model.get_layer(name).get_weights()[0])) / units
        for (name, weight_decay), units in zip(weight_decays.items(), (2, 5, 3), strict=True)
    )
    np.testing.assert_allclose(weight_decay_penalty(model, weight_decays), expected, rtol=1e-6)


def test_weight_decay_gradient_is_two_lambda_w_over_units_and_spares_biases():
    model = _model()
    layer = model.get_layer("hidden_1")
    with tf.GradientTape() as tape:
        penalty = weight_decay_penalty(model, {"hidden_1": 1e-2})
    kernel, bias = tape.gradient(penalty, [layer.kernel.value, layer.bias.value])
    np.testing.assert_allclose(kernel, 2 * 1e-2 * layer.kernel.numpy() / 5, rtol=1e-6)
    assert bias is None


def test_layers_without_a_weight_decay_are_free():
    assert float(weight_decay_penalty(_model(), {})) == 0.0


def test_cross_entropy_is_the_mean_of_minus_log_probability():
    logits = np.array([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]], np.float32)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = -np.mean(np.log(probabilities[[0, 1], [1, 2]]))
    np.testing.assert_allclose(mean_cross_entropy([1, 2], logits), expected, rtol=1e-6)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_divergence_is_told(loss: float):
    with pytest.raises(
        InputError, match=r"^Training conv diverged: its loss is (nan|inf) after 3 "
    ):
        check_finite(loss, "conv", 3)
