"""Keras models from files and from SavedModels."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.errors import InputError
from tfblindspots.models import (
    ModelInterface,
    export_saved_model,
    load_classifier,
    load_keras_model,
)


def small_model() -> keras.Model:
    """From images of 2x2 pixels to 3 classes."""
    images = keras.Input((2, 2, 1))
    flat = keras.layers.Flatten()(images)
    logits = keras.layers.Dense(3, kernel_initializer=keras.initializers.GlorotUniform(0))(flat)
    return keras.Model(images, logits, name="small")


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_it_has_the_layers_that_were_saved(kind: str, tmp_path: Path) -> None:
    model = small_model()
    path = tmp_path / ("model.keras" if kind == "file" else "model")
    if kind == "file":
        model.save(path)
    else:
        export_saved_model(model, path, {"kind": "saved_model"})
    loaded = load_keras_model(path)
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])


def test_a_saved_model_of_elsewhere_has_no_layers(tmp_path: Path) -> None:
    small_model().export(tmp_path / "foreign", verbose=False)
    message = f"model {tmp_path / 'foreign'} is a SavedModel, which does not say what its layers"
    with pytest.raises(InputError, match=re.escape(message)):
        load_keras_model(tmp_path / "foreign")
    assert tf.saved_model.contains_saved_model(tmp_path / "foreign")


@pytest.mark.parametrize(
    ("interface", "shape"),
    [
        (ModelInterface(pixel_range=(0, 255), mean=(104.0, 117.0, 123.0), channel_order="bgr"), 0),
        (ModelInterface(pixel_range=(-1, 1), std=(0.5, 2.0, 4.0)), 0),
        (ModelInterface(data_format="channels_first", std=(3.0,)), 1),
    ],
)
def test_what_images_need_becomes_layers(
    interface: ModelInterface, shape: int, tmp_path: Path
) -> None:
    inputs = keras.Input([(4, 5, 3), (3, 4, 5)][shape])
    x = keras.layers.Flatten()(inputs)
    kernel = keras.initializers.GlorotUniform(1)
    keras.Model(inputs, keras.layers.Dense(4, kernel_initializer=kernel)(x)).save(
        tmp_path / "model.keras"
    )
    images = np.random.default_rng(0).random((3, 4, 5, 3)).astype(np.float32)
    model = load_keras_model(tmp_path / "model.keras", interface)
    classifier = load_classifier(tmp_path / "model.keras", interface=interface)
    expected = np.asarray(classifier.logits(tf.constant(images)))
    np.testing.assert_allclose(np.asarray(model(images)), expected, rtol=1e-4, atol=1e-4)


def test_an_open_size_is_fixed_in_all_layers(tmp_path: Path) -> None:
    images = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(2, 3, kernel_initializer=keras.initializers.GlorotUniform(2))(images)
    keras.Model(images, keras.layers.GlobalMaxPooling2D()(x)).save(tmp_path / "open.keras")
    with pytest.raises(InputError, match=r"takes images of any size.*--image_size"):
        load_keras_model(tmp_path / "open.keras")
    model = load_keras_model(tmp_path / "open.keras", ModelInterface(image_size=(6, 7)))
    assert [tuple(layer.output.shape) for layer in model.layers] == [
        (None, 6, 7, 3),
        (None, 4, 5, 2),
        (None, 2),
    ]
    pixels = np.random.default_rng(0).random((2, 6, 7, 3)).astype(np.float32)
    expected = keras.models.load_model(tmp_path / "open.keras")(pixels)
    np.testing.assert_allclose(np.asarray(model(pixels)), np.asarray(expected), rtol=1e-5)
