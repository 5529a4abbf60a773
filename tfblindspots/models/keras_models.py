"""Keras models on disk, layers and all, for whatever looks inside a network."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfblindspots.errors import InputError
from tfblindspots.models.colours import transform_colours
from tfblindspots.models.interface import ModelInterface
from tfblindspots.models.keras_sources import keras_output
from tfblindspots.models.opening import keras_library, open_model
from tfblindspots.models.saved_model import ASSETS, KERAS_FILE

_NO_INTERFACE = ModelInterface()


def load_keras_model(
    path: str | os.PathLike[str],
    interface: ModelInterface = _NO_INTERFACE,
    *,
    allow_unsafe: bool = False,
) -> keras.Model:
    """Reads a model with its layers, to take images in [0, 1] of one size.

    Args:
      path: a Keras file, or a SavedModel of this package, which holds one.
      interface: which output to keep, and how the model's images differ from those in [0, 1]: what
        that asks for is put before the model as layers, and the model becomes one layer.
      allow_unsafe: see ``load_classifier``.

    Raises:
      InputError: there is no such model; it is a SavedModel of elsewhere, which has operations but
        no layers, or one of Keras 2; ``interface`` does not fit it; or it is unsafe.
    """
    model = _open(Path(path), allow_unsafe=allow_unsafe)
    if not getattr(model, "inputs", None) or len(model.inputs) != 1:
        return model
    declared = tuple(model.inputs[0].shape)
    if len(declared) != 4:
        return model
    height, width, channels = interface.image_shape(declared, str(path))
    first = interface.data_format == "channels_first"
    if len(model.outputs) > 1:
        position, _ = keras_output(model, interface, str(path))
        model = keras.Model(model.inputs[0], model.outputs[position])
    size = (channels, height, width) if first else (height, width, channels)
    model = with_fixed_sizes(model, [size])
    if not interface.settings():
        return model
    images = keras.Input((height, width, channels), name="images")
    prepared = transform_colours(images, *_colours(interface, channels))
    if first:
        prepared = keras.layers.Permute((3, 1, 2))(prepared)
    return keras.Model(images, model(prepared), name=f"prepared_{model.name}")


def with_fixed_sizes(model: keras.Model, shapes: Sequence[tuple[int | None, ...]]) -> keras.Model:
    """A model of which layers know the sizes of what they take, which they have from its inputs.

    Args:
      model: functional or sequential.
      shapes: of its inputs, without the batch.

    Returns:
      ``model`` where it leaves no size open, else a copy, with its weights, for these.
    """
    if not any(None in tensor.shape[1:] for tensor in model.inputs):
        return model
    inputs = [keras.Input(shape) for shape in shapes]
    fixed = keras.models.clone_model(model, input_tensors=inputs if len(inputs) > 1 else inputs[0])
    fixed.set_weights(model.get_weights())
    return fixed


def _open(path: Path, *, allow_unsafe: bool) -> keras.Model:
    opened = open_model(path, allow_unsafe=allow_unsafe)
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
    return open_model(inside, allow_unsafe=allow_unsafe)


def _colours(interface: ModelInterface, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """``ModelInterface.preprocess`` as matrix [C, C] and offset [C]."""

    def prepared(pixels: np.ndarray) -> np.ndarray:
        answer: Any = interface.preprocess(pixels.astype(np.float32)[:, None, None])
        return np.asarray(answer).reshape(len(pixels), channels)

    offset = prepared(np.zeros((1, channels)))[0]
    return prepared(np.eye(channels)) - offset, offset
