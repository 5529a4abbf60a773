"""Keras models on disk, layers and all, for whatever looks inside a network."""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfblindspots.errors import InputError
from tfblindspots.models.colours import transform_colours
from tfblindspots.models.interface import ModelInterface
from tfblindspots.models.opening import keras_library, open_model
from tfblindspots.models.saved_model import ASSETS, KERAS_FILE

_NO_INTERFACE = ModelInterface()


def load_keras_model(
    path: str | os.PathLike[str], interface: ModelInterface = _NO_INTERFACE
) -> keras.Model:
    """Reads a model with its layers, to take images in [0, 1] of one size.

    Args:
      path: a Keras file, or a SavedModel of this package, which holds one.
      interface: how the model's images differ from those. What it asks for is put before the model
        as layers, and the model becomes one layer of the result.

    Raises:
      InputError: there is no such model; it is a SavedModel of elsewhere, which has operations but
        no layers, or one of Keras 2; or ``interface`` does not fit it.
    """
    model = _open(Path(path))
    if not getattr(model, "inputs", None) or len(model.inputs) != 1:
        return model
    declared = tuple(model.inputs[0].shape)
    if len(declared) != 4:
        return model
    height, width, channels = interface.image_shape(declared, str(path))
    first = interface.data_format == "channels_first"
    if None in declared[1:]:
        # Layers know the sizes of what they take from the model that they are built in.
        size = (channels, height, width) if first else (height, width, channels)
        fixed = keras.models.clone_model(model, input_tensors=keras.Input(size))
        fixed.set_weights(model.get_weights())
        model = fixed
    if not interface.settings():
        return model
    images = keras.Input((height, width, channels), name="images")
    prepared = transform_colours(images, *_colours(interface, channels))
    if first:
        prepared = keras.layers.Permute((3, 1, 2))(prepared)
    return keras.Model(images, model(prepared), name=f"prepared_{model.name}")


def _open(path: Path) -> keras.Model:
    opened = open_model(path)
    if isinstance(opened, keras.Model):
        return opened
    if keras_library(opened):
        raise InputError(
            f"model {path} is of Keras 2, and Keras 3 cannot read it; expected a model of Keras 3. "
            "Build and save it there."
        )
    inside = path / ASSETS / KERAS_FILE
    if not inside.is_file():
        raise InputError(
            f"model {path} is a SavedModel, which does not say what its layers are; expected a "
            ".keras file, or a SavedModel of this package, which has one inside."
        )
    return open_model(inside)


def _colours(interface: ModelInterface, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """``ModelInterface.preprocess`` as matrix [C, C] and offset [C]."""

    def prepared(pixels: np.ndarray) -> np.ndarray:
        answer: Any = interface.preprocess(pixels.astype(np.float32)[:, None, None])
        return np.asarray(answer).reshape(len(pixels), channels)

    offset = prepared(np.zeros((1, channels)))[0]
    return prepared(np.eye(channels)) - offset, offset
