"""What a layer of a model answers to images: the other thing, besides logits, that is looked at."""

import difflib
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfblindspots.errors import InputError
from tfblindspots.models.classifier import forward_batch_size
from tfblindspots.models.loading import open_model

_SIGNATURE = "activations"


@dataclass(frozen=True)
class Layer:
    """One layer of a model, as a function of images.

    Attributes:
      name: of the layer.
      shape: of its activations for one image.
      activations: float32 images [B, H, W, C] in [0, 1] to float32 [B, n], flattened in row-major
        order, n the product of the shape.
    """

    name: str
    shape: tuple[int, ...]
    activations: Callable[[np.ndarray], np.ndarray]

    @property
    def size(self) -> int:
        """n, units of the layer."""
        return math.prod(self.shape)


def load_layer(model: str | os.PathLike[str] | keras.Model, layer: str) -> Layer:
    """Loads a model down to one of its layers.

    Args:
      model: a SavedModel directory with the signature ``activations`` (those of this package have
        it), a ``.keras`` file, or a built functional Keras model.
      layer: its name.

    Raises:
      InputError: there is no such model or layer, the model does not give its layers' activations,
        or the layer's size depends on the image.
    """
    name = model.name if isinstance(model, keras.Model) else str(model)
    opened = model if isinstance(model, keras.Model) else open_model(Path(model))
    read = _keras_layers if isinstance(opened, keras.Model) else _signature_layers
    function, shapes = read(opened, name)
    if layer not in shapes:
        close = difflib.get_close_matches(layer, shapes, n=1)
        suggestion = f" (did you mean {close[0]}?)" if close else ""
        raise InputError(
            f"model {name} has no layer '{layer}'{suggestion}; expected one of {', '.join(shapes)}."
        )
    shape = shapes[layer]
    if None in shape:
        raise InputError(
            f"layer {layer} of model {name} has activations of shape {list(shape)}; expected a "
            "fixed size. Name another layer."
        )
    units = math.prod(size for size in shape if size)

    @tf.function(autograph=False, reduce_retracing=True)
    def compiled(images: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.reshape(function(images)[layer], [-1, units]), tf.float32)

    def activations(images: np.ndarray) -> np.ndarray:
        # All layers before this one are computed too, and may be far larger.
        step = forward_batch_size(images.shape[1:])
        results = np.empty((len(images), units), np.float32)
        for start in range(0, len(images), step):
            batch = images[start : start + step]
            results[start : start + step] = compiled(tf.constant(batch)).numpy()
        return results

    return Layer(layer, shape, activations)


# Images to activations by layer name, and the shape of each for one image.
_Layers = tuple[Callable[[tf.Tensor], dict[str, tf.Tensor]], dict[str, tuple[int, ...]]]


def _keras_layers(model: keras.Model, name: str) -> _Layers:
    if not getattr(model, "inputs", None):
        raise InputError(
            f"Keras model {name} does not say what images it takes; expected a functional model."
        )
    # A layer that is used twice, or that gives several tensors, has no one output.
    given = {layer.name: getattr(layer, "output", None) for layer in model.layers[1:]}
    outputs = {
        name: output for name, output in given.items() if isinstance(output, keras.KerasTensor)
    }
    inner = keras.Model(model.inputs[0], outputs)
    shapes = {name: tuple(output.shape[1:]) for name, output in outputs.items()}
    return lambda images: inner(images, training=False), shapes


def _signature_layers(loaded: Any, name: str) -> _Layers:
    if _SIGNATURE not in loaded.signatures:
        raise InputError(
            f"model {name} has no signature '{_SIGNATURE}', which gives each layer's output; "
            "expected a SavedModel that scripts/train.py wrote, or a .keras file."
        )
    signature = loaded.signatures[_SIGNATURE]
    (argument,) = signature.structured_input_signature[1]
    shapes = {key: tuple(spec.shape[1:]) for key, spec in signature.structured_outputs.items()}

    def function(images: tf.Tensor) -> dict[str, tf.Tensor]:
        # Through `loaded`, without which the variables would be gone.
        return loaded.signatures[_SIGNATURE](**{argument: images})

    return function, shapes
