"""A layer's activations, from wherever the model comes, are what its weights say."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tf_keras

from tfblindspots.errors import InputError
from tfblindspots.models import ModelInterface, export_saved_model, get_definition, load_layer

_IMAGES = np.random.default_rng(0).random((3, 8, 8, 1), np.float32)


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return get_definition("fc5-4-10").build((8, 8, 1), 10, seed=0)


def _legacy(network: keras.Model) -> Any:
    """The same network, with the same weights, of Keras 2."""
    layers = [
        tf_keras.layers.Dense(units, activation, name=name)
        for units, activation, name in (
            (5, "sigmoid", "hidden_1"),
            (4, "sigmoid", "hidden_2"),
            (10, None, "logits"),
        )
    ]
    first = [tf_keras.layers.Input((8, 8, 1)), tf_keras.layers.Flatten(name="flatten")]
    legacy = tf_keras.Sequential([*first, *layers])
    legacy.set_weights(network.get_weights())
    return legacy


@pytest.mark.parametrize(
    "origin", ["memory", "file", "saved_model", "legacy", "legacy_file", "fixed_batches"]
)
def test_activations_of_every_origin(network: keras.Model, tmp_path: Path, origin: str) -> None:
    model: keras.Model | Path = network
    if origin == "file":
        model = tmp_path / "network.keras"
        network.save(model)
    elif origin == "saved_model":
        model = tmp_path / "network"
        export_saved_model(network, model, {"kind": "saved_model"})
    elif origin == "legacy":
        model = _legacy(network)
    elif origin == "legacy_file":
        model = tmp_path / "network.keras"
        _legacy(network).save(model)
    elif origin == "fixed_batches":
        images = keras.Input(batch_shape=(2, 8, 8, 1))
        outputs = images
        for inner in network.layers[1:]:
            outputs = inner(outputs)
        # The layers are used twice now, so that only a file has them with one output each.
        model = tmp_path / "network.keras"
        keras.Model(images, outputs).save(model)
    layer = load_layer(model, "hidden_2")
    assert (layer.name, layer.shape, layer.size) == ("hidden_2", (4,), 4)
    expected = _IMAGES.reshape(3, -1)
    for name in ("hidden_1", "hidden_2"):
        kernel, bias = network.get_layer(name).get_weights()
        expected = 1 / (1 + np.exp(-(expected @ kernel + bias)))
    found = layer.activations(_IMAGES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_convolution_is_flattened_row_by_row() -> None:
    network = get_definition("conv").build((8, 8, 1), 10, seed=0)
    layer = load_layer(network, "max_pooling")
    assert layer.shape == (4, 4, 32) and layer.size == 512
    inner = keras.Model(network.inputs[0], network.get_layer("max_pooling").output)
    expected = inner(_IMAGES, training=False).numpy().reshape(3, 512)
    np.testing.assert_allclose(layer.activations(_IMAGES), expected, atol=1e-6)


def test_an_unknown_layer_is_answered_with_those_that_there_are(network: keras.Model) -> None:
    with pytest.raises(
        InputError,
        match=r"no layer 'hiden_2' \(did you mean hidden_2\?\); expected one of flatten, hidden_1, "
        r"hidden_2, logits\.",
    ):
        load_layer(network, "hiden_2")


def test_a_saved_model_without_activations_is_refused(network: keras.Model, tmp_path: Path) -> None:
    network.export(tmp_path / "plain", verbose=False)
    with pytest.raises(InputError, match="has no signature 'activations', which gives each layer"):
        load_layer(tmp_path / "plain", "hidden_1")


def test_a_layer_of_any_size_needs_a_size() -> None:
    images = keras.Input((None, 8, 1))
    features = keras.layers.Conv2D(2, 3, name="convolution")(images)
    model = keras.Model(images, keras.layers.GlobalAveragePooling2D(name="mean")(features))
    with pytest.raises(InputError, match=r"takes images of any size, .*; give its size with --im"):
        load_layer(model, "convolution")
    layer = load_layer(model, "convolution", ModelInterface(image_size=(6, 8)))
    assert layer.shape == (4, 6, 2)
    assert layer.activations(_IMAGES[:, :6]).shape == (3, 48)


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist; expected a SavedModel directory"):
        load_layer(tmp_path / "absent", "logits")
