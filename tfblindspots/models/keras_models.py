"""Keras models on disk, layers and all, for whatever looks inside a network."""

import os
from pathlib import Path

import keras

from tfblindspots.errors import InputError
from tfblindspots.models.opening import keras_library, open_model
from tfblindspots.models.saved_model import ASSETS, KERAS_FILE


def load_keras_model(path: str | os.PathLike[str]) -> keras.Model:
    """Reads a model with its layers.

    Args:
      path: a Keras file, or a SavedModel of this package, which holds one.

    Raises:
      InputError: there is no such model, or it is a SavedModel of elsewhere, which has operations
        but no layers.
    """
    opened = open_model(Path(path))
    if isinstance(opened, keras.Model):
        return opened
    if keras_library(opened):
        raise InputError(
            f"model {path} is of Keras 2, and Keras 3 cannot read it; expected a model of Keras 3. "
            "Build and save it there."
        )
    inside = Path(path) / ASSETS / KERAS_FILE
    if not inside.is_file():
        raise InputError(
            f"model {path} is a SavedModel, which does not say what its layers are; expected a "
            ".keras file, or a SavedModel of this package, which has one inside."
        )
    return open_model(inside)
