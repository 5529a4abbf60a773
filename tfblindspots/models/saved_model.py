"""Writes SavedModels that need nothing but TensorFlow to be used and differentiated."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfblindspots.artifacts import MANIFEST, atomic_path, read_manifest, write_json
from tfblindspots.errors import InputError
from tfblindspots.models.loading import load_classifier

# Where TensorFlow leaves room for others' files inside a SavedModel.
ASSETS = "assets.extra"
KERAS_FILE = "model.keras"

_Function = Callable[[tf.Tensor], dict[str, tf.Tensor]]


def export_saved_model(
    model: keras.Model,
    directory: str | os.PathLike[str],
    manifest: Mapping[str, Any],
    *,
    replaced: Sequence[str] = (),
) -> None:
    """Writes a model as a SavedModel, complete or not at all.

    Signature ``serving_default``: ``images`` float32 [None, H, W, C] in [0, 1] to ``logits``,
    ``probabilities`` [None, K] and ``classes`` int64 [None]. Signature ``activations``: one output
    a layer, by layer name. Both also take an empty batch. ``assets.extra/`` holds the manifest and
    the model as ``model.keras``, without optimiser state.

    Args:
      model: a functional Keras model from images to logits (or probabilities, of which the
        logarithms then are the logits).
      directory: where to write. An earlier export there is replaced.
      manifest: where the model came from; see ``artifacts.build_manifest``, kind "saved_model".
      replaced: glob patterns of other files that may lie there, and are replaced too.

    Raises:
      InputError: the directory holds something else, or the model is not a classifier of images or
        returns NaN.
    """
    _check_replaceable(Path(directory), replaced)
    module = tf.Module()
    # Plain variables: tracking the Keras model would export Keras's own bookkeeping as well.
    module.weights = [weight.value for weight in model.weights]
    signatures = _signatures(model)
    uncompiled = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    with atomic_path(directory) as temporary:
        tf.saved_model.save(module, temporary, signatures=signatures)
        assets = temporary / ASSETS
        assets.mkdir()
        uncompiled.save(assets / KERAS_FILE)
        write_json(assets / MANIFEST, manifest)


def _signatures(model: keras.Model) -> dict[str, _Function]:
    classifier = load_classifier(model)
    layers = {layer.name: layer.output for layer in model.layers[1:]}
    activations = keras.Model(model.inputs[0], layers)
    images = tf.TensorSpec([None, *classifier.image_shape], tf.float32, name="images")

    def serving_default(images: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = classifier.logits(images)
        return {
            "logits": logits,
            "probabilities": tf.nn.softmax(logits),
            "classes": tf.argmax(logits, axis=1, output_type=tf.int64),
        }

    def layer_activations(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return activations(images, training=False)

    functions = {"serving_default": serving_default, "activations": layer_activations}
    return {
        name: tf.function(_also_of_none(function), input_signature=[images], autograph=False)
        for name, function in functions.items()
    }


def _also_of_none(function: _Function) -> _Function:
    """Lets a function take an empty batch too, in place of which it gets one black image.

    TensorFlow's convolutions and their gradients on a CPU (oneDNN) return wrong shapes for one.
    """

    def padded(images: tf.Tensor) -> dict[str, tf.Tensor]:
        count = tf.shape(images)[0]
        missing = tf.cast(count == 0, tf.int32)
        # No tf.pad, which TensorFlow would take for the padding of the first convolution.
        black = tf.zeros(tf.stack([missing, *images.shape[1:]]))
        outputs = function(tf.concat([images, black], axis=0))
        return {name: output[:count] for name, output in outputs.items()}

    return padded


def _check_replaceable(directory: Path, replaced: Sequence[str]) -> None:
    if not directory.exists():
        return
    if directory.is_dir() and all(
        any(entry.match(pattern) for pattern in replaced) for entry in directory.iterdir()
    ):
        return
    try:
        read_manifest(directory / ASSETS, "saved_model")
    except InputError:
        raise InputError(
            f"{directory} exists and is not a SavedModel of this package; name a new directory."
        ) from None
