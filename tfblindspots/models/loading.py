"""Makes a classifier of a model file, a SavedModel directory or a Keras model in memory."""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from tfblindspots.artifacts import fingerprint_arrays, fingerprint_path
from tfblindspots.errors import InputError
from tfblindspots.models.adapting import adapted
from tfblindspots.models.classifier import Classifier
from tfblindspots.models.interface import ModelInterface, combined_fingerprint
from tfblindspots.models.keras_sources import from_keras
from tfblindspots.models.opening import KERAS_SUFFIXES, keras_library, open_model
from tfblindspots.models.probing import are_probabilities, probe
from tfblindspots.models.saved_model_sources import from_saved_model
from tfblindspots.models.sources import Source

_TINY = float(np.finfo(np.float32).tiny)
_NO_INTERFACE = ModelInterface()
_VARIABLES = "variables/variables"  # where a SavedModel keeps them


def load_classifier(
    model: str | os.PathLike[str] | keras.Model,
    *,
    name: str | None = None,
    interface: ModelInterface = _NO_INTERFACE,
    allow_unsafe: bool = False,
) -> Classifier:
    """Loads a model that maps images to logits or probabilities.

    Args:
      model: a SavedModel directory (of this package or any other), a ``.keras`` or ``.h5`` file, or
        a built Keras model, of Keras 3 or of ``tf_keras``.
      name: what to call it; by default the directory's or file's name, or the Keras model's.
      interface: which part of the model to use, and how its images differ from those in [0, 1].
      allow_unsafe: also load files that hold code, or operations that reach files, the network or
        Python; see ``docs/safe_loading.md``. Only for those whose makers you trust.

    Returns:
      The classifier. Probabilities, recognised by the last layer or by trying the model, are turned
      into their logarithms. Where there is but one output an image, the classes are 0 and 1, and
      it is the logit or the probability of 1. A model made for batches of one size is called with
      such batches.

    Raises:
      InputError: there is no such file, it is not a model, its input is not one batch of images,
        its output is not one row of classes an image, it returns NaN, ``interface`` does not fit
        it, or it is unsafe.
    """
    weights_fingerprint = None
    if keras_library(model):
        loaded: Any = model
        name = name or str(loaded.name)
        fingerprint = fingerprint_arrays(*loaded.get_weights())
        source = from_keras(loaded, interface, name)
    elif not isinstance(model, str | os.PathLike):
        raise InputError(f"model is a {type(model).__name__}; expected a path or a Keras model.")
    else:
        path = Path(model)
        name = name or (path.stem if path.suffix in KERAS_SUFFIXES else path.resolve().name)
        source, fingerprint = _from_path(path, interface, allow_unsafe=allow_unsafe)
        if (path / _VARIABLES).with_suffix(".index").is_file():
            weights_fingerprint = _fingerprint_weights(path / _VARIABLES)
    image_shape = interface.image_shape(source.shape, name)
    function = adapted(source, interface)
    outputs = probe(function, image_shape, name)
    probabilities = are_probabilities(outputs, function, image_shape, source, interface, name)
    # What is open in the model is part of what it is here.
    open_size = {"image_size": image_shape[:2]} if None in source.shape[1:] else {}
    settings = {**source.part, **open_size, **interface.settings()}
    binary = outputs.shape[1] == 1
    if binary:
        logging.info(
            "Model %s has one output, taken for the %s of class 1 beside class 0.",
            name,
            "probability" if probabilities else "logit",
        )
    elif probabilities:
        logging.info("Model %s returns probabilities; their logarithms serve as logits.", name)

    def logits(images: tf.Tensor) -> tf.Tensor:
        values = _rows(function(images))
        # Loaded graphs forget the static batch size, which callers' loops rely on.
        values = tf.ensure_shape(values, [images.shape[0], outputs.shape[1]])
        if binary:
            other = 1 - values if probabilities else tf.zeros_like(values)
            values = tf.concat([other, values], axis=1)
        return tf.math.log(tf.maximum(values, _TINY)) if probabilities else values

    return Classifier(
        name,
        logits,
        image_shape,
        2 if binary else outputs.shape[1],
        combined_fingerprint(fingerprint, settings),
        probabilities,
        tuple(settings.items()),
        weights_fingerprint,
    )


def _from_path(path: Path, interface: ModelInterface, *, allow_unsafe: bool) -> tuple[Source, str]:
    model = open_model(path, allow_unsafe=allow_unsafe)
    if keras_library(model):
        return from_keras(model, interface, str(path)), fingerprint_path(path)
    # assets.extra and fingerprint.pb differ from one export of the same weights to the next.
    fingerprint = fingerprint_path(path, ignore=["assets.extra/*", "fingerprint.pb"])
    return from_saved_model(model, interface, str(path)), fingerprint


def _fingerprint_weights(checkpoint: Path) -> str:
    """SHA-256 of the numbers in a checkpoint, whatever the layers are called."""
    reader = tf.train.load_checkpoint(os.fspath(checkpoint))
    arrays = (reader.get_tensor(key) for key in sorted(reader.get_variable_to_shape_map()))
    # What is text describes the objects that the numbers belong to.
    return fingerprint_arrays(*(array for array in map(np.asarray, arrays) if _numeric(array)))


def _numeric(array: np.ndarray) -> bool:
    return np.issubdtype(array.dtype, np.number) or array.dtype == bool


def _rows(outputs: tf.Tensor) -> tf.Tensor:
    """[B, K] also of the [B] that a binary model may give."""
    return outputs[:, None] if outputs.shape.rank == 1 else outputs
