"""The penalty against the norms of explicit matrices, and its gradient against differences."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.errors import InputError
from tfblindspots.training.frame_bound_penalty import FrameBoundPenalty


@pytest.fixture
def model() -> keras.Model:
    images = keras.Input((6, 5, 2))
    x = keras.layers.Conv2D(3, 3, 2, "same", activation="relu", name="convolution")(images)
    x = keras.layers.Flatten()(x)
    model = keras.Model(images, keras.layers.Dense(4, name="logits")(x), name="small")
    generator = np.random.default_rng(0)
    model.set_weights([generator.normal(size=w.shape) for w in model.get_weights()])
    return model


def norms(model: keras.Model) -> float:
    """The sum of the norms, from the layers' matrices."""
    convolution, dense = model.get_layer("convolution"), model.get_layer("logits")
    units = np.eye(60, dtype=np.float32).reshape(60, 6, 5, 2)
    matrix = np.asarray(convolution.convolution_op(units, convolution.kernel)).reshape(60, -1)
    return float(np.linalg.norm(matrix, 2) + np.linalg.norm(dense.kernel.numpy(), 2))


def test_it_converges_to_the_weighted_sum_of_the_norms(model: keras.Model) -> None:
    penalty = FrameBoundPenalty(model, 0.3)
    for _ in range(200):
        value = float(penalty())
    assert value == pytest.approx(0.3 * norms(model), rel=1e-4)


def test_its_gradient_is_that_of_the_norms(model: keras.Model) -> None:
    penalty = FrameBoundPenalty(model, 1.0)
    for _ in range(200):
        penalty()
    kernels = [model.get_layer(name).kernel.value for name in ("convolution", "logits")]
    with tf.GradientTape() as tape:
        value = penalty()
    generator = np.random.default_rng(1)
    for kernel, gradient in zip(kernels, tape.gradient(value, kernels), strict=True):
        direction = generator.normal(size=kernel.shape).astype(np.float32)
        before = kernel.numpy()
        kernel.assign(before + 1e-2 * direction)
        up = norms(model)
        kernel.assign(before - 1e-2 * direction)
        down = norms(model)
        kernel.assign(before)
        slope = float(tf.reduce_sum(gradient * direction))
        assert slope == pytest.approx((up - down) / 2e-2, rel=1e-2, abs=1e-3)


def test_it_follows_kernels_that_change(model: keras.Model) -> None:
    penalty = FrameBoundPenalty(model, 1.0)
    model.set_weights([2 * w for w in model.get_weights()])
    assert float(penalty()) == pytest.approx(norms(model), rel=0.02)


def test_weights_and_layers_that_do_not_fit_are_refused(model: keras.Model) -> None:
    with pytest.raises(InputError, match="frame_bound_penalty is -1; expected a number of at"):
        FrameBoundPenalty(model, -1)
    images = keras.Input((4, 4, 1))
    other = keras.Model(images, keras.layers.DepthwiseConv2D(3, name="deep")(images))
    message = "layer deep is a DepthwiseConv2D; frame_bound_penalty is for networks in which only"
    with pytest.raises(InputError, match=re.escape(message)):
        FrameBoundPenalty(other, 1.0)
    # Its factor is part of the bounds.
    other = keras.Model(images, keras.layers.BatchNormalization(name="norm")(images))
    with pytest.raises(InputError, match="layer norm is a BatchNormalization"):
        FrameBoundPenalty(other, 1.0)


def test_a_kernel_of_zeros_costs_nothing_and_is_left_again(model: keras.Model) -> None:
    kernel = model.get_layer("logits").kernel.value
    before = kernel.numpy()
    kernel.assign(np.zeros_like(before))
    penalty = FrameBoundPenalty(model, 1.0)
    with tf.GradientTape() as tape:
        value = penalty()
    assert np.isfinite(tape.gradient(value, kernel).numpy()).all()
    kernel.assign(before)
    for _ in range(200):
        value = penalty()
    assert float(value) == pytest.approx(norms(model), rel=1e-4)
