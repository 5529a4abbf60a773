"""Makes a classifier of a SavedModel directory, a ``.keras`` file or a Keras model in memory."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from tfblindspots.artifacts import fingerprint_arrays, fingerprint_path
from tfblindspots.errors import InputError, first_line
from tfblindspots.models.classifier import Classifier

_PROBE_COUNT = 4
_TINY = float(np.finfo(np.float32).tiny)


class _Source(NamedTuple):
    """A model of any origin."""

    function: Callable[[tf.Tensor], tf.Tensor]
    shape: tuple[int | None, ...]  # of the images, batch first, as the model declares it
    fingerprint: str


def load_classifier(
    model: str | os.PathLike[str] | keras.Model, *, name: str | None = None
) -> Classifier:
    """Loads a model that maps images in [0, 1] to logits or probabilities.

    Args:
      model: a SavedModel directory (of this package or any other, with one image input and one
        output), a ``.keras`` file, or a built Keras model.
      name: what to call it; by default the directory's or file's name, or the Keras model's.

    Returns:
      The classifier. Probabilities are recognised by trying the model on random images, and turned
      into their logarithms.

    Raises:
      InputError: there is no such file, it is not a model, its input is not one batch of images of
        one size, its output is not one row of classes an image, or it returns NaN.
    """
    if not isinstance(model, str | os.PathLike | keras.Model):
        raise InputError(f"model is a {type(model).__name__}; expected a path or a Keras 3 model.")
    if isinstance(model, keras.Model):
        name = name or model.name
        source = _from_keras(model, fingerprint_arrays(*model.get_weights()), name)
    else:
        path = Path(model)
        name = name or (path.stem if path.suffix == ".keras" else path.resolve().name)
        source = _from_path(path)
    image_shape = _image_shape(source.shape, name)
    outputs = _probe(source.function, image_shape, name)
    probabilities = _are_probabilities(outputs)
    if probabilities:
        logging.info("Model %s returns probabilities; their logarithms serve as logits.", name)
    num_classes = outputs.shape[1]

    def logits(images: tf.Tensor) -> tf.Tensor:
        values = tf.cast(source.function(images), tf.float32)
        # Loaded graphs forget the static batch size, which callers' loops rely on.
        values = tf.ensure_shape(values, [images.shape[0], num_classes])
        return tf.math.log(tf.maximum(values, _TINY)) if probabilities else values

    return Classifier(name, logits, image_shape, num_classes, source.fingerprint, probabilities)


def _from_path(path: Path) -> _Source:
    model = open_model(path)
    if isinstance(model, keras.Model):
        return _from_keras(model, fingerprint_path(path), str(path))
    return _from_saved_model(path, model)


def open_model(path: Path) -> Any:
    """Reads a SavedModel directory or a ``.keras`` file, whatever it holds.

    Returns:
      What ``tf.saved_model.load`` gives for a directory, a ``keras.Model`` for a file.

    Raises:
      InputError: there is no such file, or it is no model.
    """
    if not path.exists():
        raise InputError(
            f"model {path} does not exist; expected a SavedModel directory or a .keras file."
        )
    if path.is_dir():
        return _open_saved_model(path)
    if path.suffix != ".keras":
        raise InputError(
            f"model {path} is a file of another kind; expected a SavedModel directory or a .keras "
            "file."
        )
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"model {path} is not a .keras file (it is no zip archive); save it again with "
            "model.save(...)."
        )
    try:
        return keras.models.load_model(path, compile=False)
    # Keras raises errors of many types for broken files and for layers that it does not know.
    except Exception as error:
        raise InputError(f"model {path} is not a .keras file ({first_line(error)}).") from None


def _open_saved_model(path: Path) -> Any:
    if not tf.saved_model.contains_saved_model(path):
        found = sorted(str(entry.parent) for entry in path.glob("*/saved_model.pb"))
        advice = f"did you mean {', '.join(found[:3])}?" if found else "name one, or a .keras file."
        raise InputError(f"model {path} is not a SavedModel (it has no saved_model.pb); {advice}")
    try:
        return tf.saved_model.load(path)
    # Broken files end in errors of many types, deep in TensorFlow.
    except Exception as error:
        raise InputError(
            f"model {path} cannot be loaded as a SavedModel ({first_line(error)})."
        ) from None


def _from_keras(model: keras.Model, fingerprint: str, name: str) -> _Source:
    inputs = getattr(model, "inputs", None)
    outputs = getattr(model, "outputs", None)
    if not inputs or not outputs:
        raise InputError(
            f"Keras model {name} does not say what images it takes; expected a functional model, "
            "such as keras.Model(images, model(images)) with images = keras.Input(shape)."
        )
    _check_single(len(inputs), len(outputs), name)
    return _Source(
        lambda images: model(images, training=False), tuple(inputs[0].shape), fingerprint
    )


def _from_saved_model(path: Path, loaded: Any) -> _Source:
    signatures = loaded.signatures
    key = "serving_default" if "serving_default" in signatures else next(iter(signatures), None)
    if key is None:
        raise InputError(
            f"model {path} has no signature; expected serving_default, from images to logits. "
            "Export it with model.export(...) or as a .keras file."
        )
    signature = signatures[key]
    inputs = signature.structured_input_signature[1]
    outputs = signature.structured_outputs
    output = "logits" if "logits" in outputs else next(iter(outputs))
    _check_single(len(inputs), 1 if output == "logits" else len(outputs), str(path))
    ((input_name, spec),) = inputs.items()
    if spec.dtype != tf.float32:
        raise InputError(
            f"model {path} takes images of {spec.dtype.name}; expected float32 in [0, 1]. Put the "
            "conversion inside the model."
        )

    def function(images: tf.Tensor) -> tf.Tensor:
        # A signature is not tracked by the closure alone: without `loaded` its variables would go.
        return loaded.signatures[key](**{input_name: images})[output]

    # assets.extra and fingerprint.pb differ from one export of the same weights to the next.
    fingerprint = fingerprint_path(path, ignore=["assets.extra/*", "fingerprint.pb"])
    if spec.shape.rank is None:
        raise InputError(
            f"model {path} takes input of unknown rank; expected images [any, height, width, "
            "channels] with height, width and channels fixed."
        )
    return _Source(function, tuple(spec.shape), fingerprint)


def _check_single(inputs: int, outputs: int, name: str) -> None:
    if inputs != 1 or outputs != 1:
        raise InputError(
            f"model {name} has {inputs} inputs and {outputs} outputs; expected one batch of images "
            "and one output, the logits."
        )


def _image_shape(shape: tuple[int | None, ...], name: str) -> tuple[int, int, int]:
    if len(shape) != 4 or shape[0] is not None or None in shape[1:]:
        raise InputError(
            f"model {name} takes input of shape {_text(shape)}; expected images [any, height, "
            "width, channels] with height, width and channels fixed."
        )
    _, height, width, channels = shape
    assert height is not None and width is not None and channels is not None
    return height, width, channels


def _probe(
    function: Callable[[tf.Tensor], tf.Tensor], image_shape: tuple[int, int, int], name: str
) -> np.ndarray:
    """What the model returns for a few random images, checked to be [B, K] and numbers."""
    images = np.random.default_rng(0).random((_PROBE_COUNT, *image_shape), np.float32)
    try:
        outputs = function(tf.constant(images)).numpy()
    # What a stranger's graph raises is not known beforehand.
    except Exception as error:
        raise InputError(
            f"model {name} fails on random images of shape {list(images.shape)} "
            f"({first_line(error)}); expected a model that takes any number of images."
        ) from None
    if outputs.ndim != 2 or len(outputs) != _PROBE_COUNT or outputs.shape[1] < 2:
        raise InputError(
            f"model {name} returns shape {list(outputs.shape)} for {_PROBE_COUNT} images; expected "
            "one row of at least two classes for each."
        )
    if np.isnan(outputs).any():
        raise InputError(
            f"model {name} returns NaN; expected finite logits. Train it again or use another."
        )
    return outputs


def _are_probabilities(outputs: np.ndarray) -> bool:
    inside = (outputs >= 0).all() and (outputs <= 1).all()
    return bool(inside and np.allclose(outputs.sum(axis=1), 1, atol=1e-3))


def _text(shape: tuple[int | None, ...]) -> str:
    return f"[{', '.join('any' if size is None else str(size) for size in shape)}]"
