"""Each family's forward pass against NumPy's."""

import keras
import numpy as np
import pytest
import scipy.special

from tfblindspots.errors import InputError
from tfblindspots.models import get_definition

_IMAGES = np.random.default_rng(5).random((6, 8, 8, 1), np.float32)


def _weights(model: keras.Model, layer: str) -> tuple[np.ndarray, np.ndarray]:
    kernel, bias = model.get_layer(layer).get_weights()
    bias = np.linspace(-1, 1, len(bias), dtype=np.float32)
    model.get_layer(layer).set_weights([kernel, bias])
    return kernel, bias


def test_softmax_regression_is_linear() -> None:
    model = get_definition("fc10-1e-2").build((8, 8, 1), 10, 0)
    kernel, bias = _weights(model, "logits")
    expected = _IMAGES.reshape(6, 64) @ kernel + bias
    np.testing.assert_allclose(model(_IMAGES).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_fully_connected_stacks_sigmoids() -> None:
    model = get_definition("fc7-9-4").build((8, 8, 1), 4, 0)
    values = _IMAGES.reshape(6, 64)
    for layer in ("hidden_1", "hidden_2"):
        kernel, bias = _weights(model, layer)
        values = scipy.special.expit(values @ kernel + bias)
    kernel, bias = _weights(model, "logits")
    np.testing.assert_allclose(model(_IMAGES).numpy(), values @ kernel + bias, rtol=1e-4, atol=1e-6)


def test_the_autoencoders_code_is_frozen() -> None:
    model = get_definition("ae12-10").build((8, 8, 1), 10, 0)
    code_kernel, code_bias = _weights(model, "code")
    kernel, bias = _weights(model, "logits")
    code = scipy.special.expit(_IMAGES.reshape(6, 64) @ code_kernel + code_bias)
    np.testing.assert_allclose(model(_IMAGES).numpy(), code @ kernel + bias, rtol=1e-4, atol=1e-6)
    assert [weight.path for weight in model.trainable_weights] == ["logits/kernel", "logits/bias"]


@pytest.mark.parametrize("image_shape", [(8, 8, 1), (28, 28, 1), (32, 32, 3), (5, 3, 2)])
def test_conv_takes_images_of_any_size(image_shape: tuple[int, int, int]) -> None:
    model = get_definition("conv").build(image_shape, 10, 0)
    assert model(np.zeros((2, *image_shape), np.float32)).shape == (2, 10)


def test_dropout_acts_in_training_only() -> None:
    model = get_definition("conv").build((8, 8, 1), 10, 0)
    np.testing.assert_array_equal(model(_IMAGES, training=False), model(_IMAGES))
    assert not np.array_equal(model(_IMAGES, training=True), model(_IMAGES))


def test_conv_rejects_images_too_small_to_pool() -> None:
    with pytest.raises(InputError, match=r"conv pools 2x2 pixels but the images have shape \[1, 9"):
        get_definition("conv").build((1, 9, 1), 10, 0)
