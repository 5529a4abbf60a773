"""Linear maps against the matrices of the Keras layers that they are taken from."""

from collections.abc import Callable

import keras
import numpy as np
import pytest

from tfblindspots.analysis.linear_layers import Convolution, linear_map
from tfblindspots.models import GroupedConv2D

SIZE = (9, 8)


def layer_matrix(layer: keras.Layer, shape: tuple[int, ...]) -> np.ndarray:
    """The matrix of a layer without bias: its answers to the unit vectors, a row each."""
    units = np.eye(np.prod(shape), dtype=np.float32).reshape(-1, *shape)
    return np.asarray(layer(units)).reshape(len(units), -1).astype(np.float64)


LAYERS: dict[str, Callable[[], keras.Layer]] = {
    "valid": lambda: keras.layers.Conv2D(4, 3, use_bias=False),
    "same, stride 2": lambda: keras.layers.Conv2D(4, 3, 2, "same", use_bias=False),
    "dilated": lambda: keras.layers.Conv2D(4, 3, padding="same", dilation_rate=2, use_bias=False),
    "groups": lambda: GroupedConv2D(6, 3, padding="same", groups=3, use_bias=False),
    "groups, by Keras": lambda: keras.layers.Conv2D(6, 3, padding="same", groups=3, use_bias=False),
    "depthwise": lambda: keras.layers.DepthwiseConv2D(
        3, 2, "same", depth_multiplier=2, use_bias=False
    ),
    "separable": lambda: keras.layers.SeparableConv2D(
        4, 3, 2, "same", depth_multiplier=2, use_bias=False
    ),
    "transposed": lambda: keras.layers.Conv2DTranspose(2, 3, 2, "same", use_bias=False),
}


@pytest.mark.parametrize("name", LAYERS)
def test_padded_norm_is_that_of_the_layer_and_below_its_bound(name: str) -> None:
    channels = 6
    images = keras.Input((*SIZE, channels))
    layer = LAYERS[name]()
    output = layer(images)
    generator = np.random.default_rng(0)
    layer.set_weights([generator.normal(size=w.shape) for w in layer.get_weights()])
    found = linear_map(layer, tuple(images.shape[1:]), tuple(output.shape[1:]))
    assert isinstance(found, Convolution)
    if name == "groups, by Keras":  # TensorFlow has no grouped convolution on a CPU without XLA
        parts = np.split(layer.kernel.numpy(), 3, axis=3)
        norm = max(np.linalg.norm(layer_matrix(_plain(part), (*SIZE, 2)), 2) for part in parts)
    else:
        norm = np.linalg.norm(layer_matrix(layer, (*SIZE, channels)), 2)
    padded = found.padded_norm()
    assert padded is not None
    assert padded <= norm * (1 + 1e-5)
    assert padded > 0.98 * norm
    assert norm <= found.bounds().upper * (1 + 1e-6)
    assert found.bounds().upper < 1.4 * norm


def _plain(kernel: np.ndarray) -> keras.Layer:
    layer = keras.layers.Conv2D(kernel.shape[3], 3, padding="same", use_bias=False)
    layer.build((None, *SIZE, kernel.shape[2]))
    layer.kernel.assign(kernel)
    return layer


def test_layers_over_rows_are_layers_over_images_of_width_1() -> None:
    layer = keras.layers.Conv1D(5, 3, padding="same", use_bias=False)
    rows = keras.Input((12, 2))
    output = layer(rows)
    found = linear_map(layer, (12, 2), tuple(output.shape[1:]))
    assert found is not None
    norm = np.linalg.norm(layer_matrix(layer, (12, 2)), 2)
    padded = found.padded_norm()
    assert padded is not None
    assert 0.98 * norm < padded <= norm * (1 + 1e-5)
    assert norm <= found.bounds().upper * (1 + 1e-6)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
def test_factors_multiply_the_outputs_of_the_layer(transposed: bool, groups: int) -> None:
    generator = np.random.default_rng(4)
    kernel = generator.normal(size=(2, 2, 4 // groups, 4))
    factors = generator.normal(size=4)
    own = Convolution(kernel, (5, 5), groups=groups, transposed=transposed).scaled(factors)
    # The output channels of the adjoint are the C inputs of the convolution.
    for group in range(groups):
        block = slice(group * 4 // groups, (group + 1) * 4 // groups)
        expected = kernel[..., block] * (factors[block][:, None] if transposed else factors[block])
        np.testing.assert_allclose(own.kernel[..., block], expected)


def test_dense_layers_have_no_padding() -> None:
    layer = keras.layers.Dense(3)
    layer.build((None, 5))
    found = linear_map(layer, (5,), (3,))
    assert found is not None
    assert found.padded_norm() is None
    values = np.linalg.svd(layer.kernel.numpy(), compute_uv=False)
    assert found.bounds().upper == pytest.approx(values[0], rel=1e-6)


class Doubled(keras.layers.Dense):
    """A dense layer that computes something else."""

    def call(self, inputs: object) -> object:
        return 2 * super().call(inputs)


@pytest.mark.parametrize("layer", [keras.layers.ReLU(), Doubled(3)])
def test_other_layers_have_no_linear_map(layer: keras.Layer) -> None:
    layer.build((None, 3))
    assert linear_map(layer, (3,), (3,)) is None
