"""SqueezeNet and AlexNet against NumPy, channels first; every network of keras.applications."""

import random
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.models import numpy_layers as layers
from tfblindspots.errors import InputError
from tfblindspots.models import get_definition
from tfblindspots.models.applications import colour_transformation, networks

_GENERATOR = np.random.default_rng(0)
_MEAN_RGB = np.array([123.0, 117.0, 104.0])


def _photos(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(size).random((count, size, size, 3), np.float32)


def _weights(model: keras.Model, name: str) -> tuple[np.ndarray, np.ndarray]:
    """A layer's weights as Caffe stores them, with biases that are not zero."""
    layer = model.get_layer(name)
    kernel, bias = layer.get_weights()
    bias = _GENERATOR.normal(scale=0.5, size=bias.shape).astype(np.float32)
    layer.set_weights([kernel, bias])
    return (kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T), bias


def _channels_first(x: np.ndarray) -> np.ndarray:
    return x.transpose(0, 3, 1, 2)


def test_squeezenet_is_the_network_of_its_authors() -> None:
    model = get_definition("squeezenet").build((67, 67, 3), 9, 0)
    images = _photos(2, 67)

    def convolution(x: np.ndarray, name: str, **options: Any) -> np.ndarray:
        return layers.relu(layers.convolve(x, *_weights(model, name), **options))

    x = _channels_first((255.0 * images - _MEAN_RGB)[..., ::-1])
    x = layers.max_pool(convolution(x, "conv1", stride=2))
    for module in range(2, 10):
        squeezed = convolution(x, f"fire{module}_squeeze1x1")
        x = np.concatenate(
            [
                convolution(squeezed, f"fire{module}_expand1x1"),
                convolution(squeezed, f"fire{module}_expand3x3", pad=1),
            ],
            axis=1,
        )
        x = layers.max_pool(x) if module in (4, 8) else x
    expected = convolution(x, "conv10").mean(axis=(2, 3))
    np.testing.assert_allclose(model(images), expected, rtol=1e-4, atol=1e-4 * expected.max())


@pytest.mark.parametrize(("name", "k", "alpha"), [("alexnet", 2, 1e-4), ("alexnet-caffe", 1, 2e-5)])
def test_alexnet_is_the_network_of_its_paper(name: str, k: float, alpha: float) -> None:
    model = get_definition(name).build((99, 99, 3), 7, 0)
    images = _photos(2, 99)
    x = 255.0 * images - _MEAN_RGB
    x = _channels_first(x[..., ::-1] if name == "alexnet-caffe" else x)
    x = layers.relu(layers.convolve(x, *_weights(model, "conv1"), stride=4))
    x = layers.max_pool(layers.normalize_response(x, k, alpha))
    x = layers.relu(layers.convolve(x, *_weights(model, "conv2"), pad=2, groups=2))
    x = layers.max_pool(layers.normalize_response(x, k, alpha))
    for conv, groups in (("conv3", 1), ("conv4", 2), ("conv5", 2)):
        x = layers.relu(layers.convolve(x, *_weights(model, conv), pad=1, groups=groups))
    x = layers.max_pool(x)
    assert x.shape == (2, 256, 2, 2)
    x = x.transpose(0, 2, 3, 1).reshape(2, -1)  # the definition flattens channels last
    for dense in ("fc6", "fc7"):
        kernel, bias = _weights(model, dense)
        x = layers.relu(x @ kernel.T + bias)
    kernel, bias = _weights(model, "fc8")
    expected = x @ kernel.T + bias
    np.testing.assert_allclose(
        model(images), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max()
    )


@pytest.mark.parametrize(
    ("name", "size", "parameters"),
    [
        # As their papers' tables and Caffe's files have it, and 12 of the preprocessing.
        ("squeezenet", 227, 1_248_424 + 12),
        ("alexnet", 227, 60_965_224 + 12),
        ("MobileNetV2", 224, 3_538_984 + 12),
    ],
)
def test_sizes(name: str, size: int, parameters: int) -> None:
    definition = get_definition(name)
    assert definition.image_shape == (size, size, 3)
    model = definition.build(definition.image_shape, 1000, 0)
    assert model.count_params() == parameters
    assert model.name == name
    assert model.output_shape == (None, 1000)
    assert model.layers[-1].name == "logits"
    assert not model.get_layer("preprocessing").trainable


def test_the_gradient_of_alexnet_is_that_of_keras_groups() -> None:
    model = get_definition("alexnet").build((67, 67, 3), 5, 0)
    config = model.get_config()
    for layer in config["layers"]:
        if layer["class_name"] == "GroupedConv2D":
            layer |= {"class_name": "Conv2D", "module": "keras.layers", "registered_name": None}
    plain = keras.Model.from_config(config)
    plain.set_weights(model.get_weights())
    gradients = []
    for network in (model, plain):
        images = tf.constant(_photos(2, 67))
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.reduce_logsumexp(network(images, training=False))
        gradients.append(tape.gradient(loss, images))
    largest = np.abs(gradients[0]).max()
    assert largest > 0
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=1e-3, atol=1e-4 * largest)


@pytest.mark.parametrize("name", ["squeezenet", "alexnet", "mobilenetv3small", "xception"])
def test_weights_follow_from_the_seed(name: str) -> None:
    definition = get_definition(name)
    first, again, other = (
        definition.build((71, 71, 3), 4, seed).get_weights() for seed in (3, 3, 4)
    )
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.ndim == 1 or a.shape == (1, 1, 3, 3) or not np.array_equal(a, c)


def test_saved_networks_load(tmp_path: Path) -> None:
    images = _photos(2, 67)
    for name in ("squeezenet", "alexnet", "mobilenetv3small"):
        model = get_definition(name).build((67, 67, 3), 4, 0)
        model.save(tmp_path / "model.keras")
        again = keras.models.load_model(tmp_path / "model.keras")
        np.testing.assert_array_equal(again(images), model(images))


def test_every_network_has_a_name_in_any_case() -> None:
    assert {"VGG16", "ResNet50", "MobileNetV2", "EfficientNetB0"} <= set(networks())
    for name in networks():
        for spelling in (name, name.lower(), name.upper()):
            assert get_definition(spelling).name == name


@pytest.mark.parametrize("name", sorted(networks()))
def test_preprocessing_is_that_of_keras(name: str) -> None:
    network = networks()[name]
    module = getattr(keras.applications, network.__module__.rpartition(".")[2])
    images = np.random.default_rng(0).random((2, 3, 4, 3))
    matrix, offset = colour_transformation(network)
    expected = module.preprocess_input(255 * images, data_format="channels_last")
    np.testing.assert_allclose(images @ matrix + offset, expected, atol=1e-9)


# One of each of Keras's modes: Caffe's, PyTorch's, [-1, 1], and what is inside the network.
@pytest.mark.parametrize("name", ["ResNet50", "DenseNet121", "MobileNetV2", "MobileNetV3Small"])
def test_the_graph_preprocesses_images(name: str) -> None:
    model = get_definition(name).build((32, 32, 3), 3, 0)
    images = _photos(2, 32)
    module = getattr(keras.applications, networks()[name].__module__.rpartition(".")[2])
    expected = module.preprocess_input(255 * images, data_format="channels_last")
    layer = model.get_layer("preprocessing")
    np.testing.assert_allclose(layer(images), expected, rtol=1e-5, atol=1e-4)


def test_sizes_are_those_of_kerass_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def note_size(*arguments: Any, default_size: int, **options: Any) -> None:
        sizes.append(default_size)
        raise StopIteration

    utilities = "keras.src.applications.imagenet_utils.obtain_input_shape"
    monkeypatch.setattr(utilities, note_size)
    for name, network in networks().items():
        if name.startswith("MobileNetV3"):  # any size
            continue
        with pytest.raises(StopIteration):
            network(weights=None)
        assert get_definition(name).image_shape == (sizes[-1], sizes[-1], 3), name


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("squeezenet", (34, 40, 3), "takes images of at least 35x35 pixels, and these have 34x40;"),
        ("alexnet", (66, 67, 3), "takes images of at least 67x67 pixels, and these have 66x67;"),
        ("alexnet", (227, 227, 1), "takes RGB images, and these have 1 channel;"),
        ("VGG16", (31, 32, 3), "takes images of at least 32x32 pixels, and these have 31x32;"),
        (
            "Xception",
            (70, 70, 3),
            r"cannot be built for images of shape \[70, 70, 3\] \(Input size must be at least 71x71"
            r".*\); use images of 299 pixels\.$",
        ),
    ],
)
def test_rejects_images(name: str, shape: tuple[int, int, int], message: str) -> None:
    with pytest.raises(InputError, match=f"^model {name} {message}"):
        get_definition(name).build(shape, 10, 0)


def test_the_smallest_images_give_logits() -> None:
    for name, size in (("squeezenet", 35), ("alexnet", 67)):
        model = get_definition(name).build((size, size, 3), 4, 0)
        assert np.isfinite(model(_photos(1, size))).all()


def test_seeds_leave_the_global_generators_alone() -> None:
    states = np.random.get_state()[1], random.getstate()
    get_definition("squeezenet").build((35, 35, 3), 4, 0)
    np.testing.assert_array_equal(np.random.get_state()[1], states[0])
    assert random.getstate() == states[1]
