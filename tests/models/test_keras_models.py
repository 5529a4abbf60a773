"""Keras models from files and from SavedModels."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.errors import InputError
from tfblindspots.models import export_saved_model, load_keras_model


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
