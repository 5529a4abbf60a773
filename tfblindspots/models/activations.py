"""What a layer of a model answers to images: the other thing, besides logits, that is looked at."""

import difflib
import functools
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfblindspots.data import Images
from tfblindspots.errors import InputError
from tfblindspots.models.adapting import Function, adapted
from tfblindspots.models.classifier import forward_batch_size
from tfblindspots.models.interface import ModelInterface
from tfblindspots.models.keras_sources import keras_input
from tfblindspots.models.opening import keras_library, open_model
from tfblindspots.models.sources import Source

_SIGNATURE = "activations"
_NO_INTERFACE = ModelInterface()


@dataclass(frozen=True)
class Layer:
    """One layer of a model, as a function of images.

    Attributes:
      name: of the layer.
      shape: of its activations for one image.
      activations: float32 images [B, H, W, C] in [0, 1], in memory or read when needed, to float32
        [B, n], flattened in row-major order, n the product of the shape.
    """

    name: str
    shape: tuple[int, ...]
    activations: Callable[[Images], np.ndarray]

    @property
    def size(self) -> int:
        """n, units of the layer."""
        return math.prod(self.shape)


def load_layer(
    model: str | os.PathLike[str] | keras.Model,
    layer: str,
    interface: ModelInterface = _NO_INTERFACE,
    *,
    allow_unsafe: bool = False,
) -> Layer:
    """Loads a model down to one of its layers.

    Args:
      model: a SavedModel directory with the signature ``activations`` (those of this package have
        it), a ``.keras`` or ``.h5`` file, or a built functional Keras model.
      layer: its name.
      interface: how the model's images differ from those in [0, 1].
      allow_unsafe: see ``load_classifier``.

    Raises:
      InputError: there is no such model or layer, the model does not give its layers' activations,
        ``interface`` does not fit it, or it is unsafe.
    """
    opened: Any = model
    if keras_library(model):
        name = str(opened.name)
    else:
        name = str(model)
        opened = open_model(Path(name), allow_unsafe=allow_unsafe)
    read = _keras_layers if keras_library(opened) else _signature_layers
    layers = read(opened, name)
    if layer not in layers:
        close = difflib.get_close_matches(layer, layers, n=1)
        suggestion = f" (did you mean {close[0]}?)" if close else ""
        raise InputError(
            f"model {name} has no layer '{layer}'{suggestion}; expected one of {', '.join(layers)}."
        )
    source = layers[layer]
    image_shape = interface.image_shape(source.shape, name)
    function = adapted(source, interface)
    # A trial: sizes that a model leaves open are known only with an image of the size that is used.
    shape = tuple(function(tf.zeros([2, *image_shape])).shape[1:])
    units = math.prod(shape)

    @tf.function(autograph=False, reduce_retracing=True)
    def compiled(images: tf.Tensor) -> tf.Tensor:
        return tf.reshape(function(images), [-1, units])

    def activations(images: Images) -> np.ndarray:
        # All layers before this one are computed too, and may be far larger.
        step = forward_batch_size(images.shape[1:])
        results = np.empty((len(images), units), np.float32)
        for start in range(0, len(images), step):
            batch = images[start : start + step]
            results[start : start + step] = compiled(tf.constant(batch)).numpy()
        return results

    return Layer(layer, shape, activations)


def _keras_layers(model: Any, name: str) -> dict[str, Source]:
    library = keras_library(model)
    assert library is not None
    shape, dtype, _ = keras_input(model, _NO_INTERFACE, name)
    # A layer that is used twice, or that gives several tensors, has no one output.
    given = {layer.name: getattr(layer, "output", None) for layer in model.layers}
    outputs = {name: output for name, output in given.items() if hasattr(output, "shape")}
    return {
        name: Source(_keras_layer(library, model.inputs[0], output), shape, dtype, None, {})
        for name, output in outputs.items()
        if output is not model.inputs[0]
    }


def _keras_layer(library: ModuleType, images: Any, output: Any) -> Function:
    inner = library.Model(images, output)
    return lambda images: inner(images, training=False)


def _signature_layers(loaded: Any, name: str) -> dict[str, Source]:
    if _SIGNATURE not in loaded.signatures:
        raise InputError(
            f"model {name} has no signature '{_SIGNATURE}', which gives each layer's output; "
            "expected a SavedModel that scripts/train.py wrote, or a .keras file."
        )
    signature = loaded.signatures[_SIGNATURE]
    ((argument, spec),) = signature.structured_input_signature[1].items()

    def function(layer: str, images: tf.Tensor) -> tf.Tensor:
        # Through `loaded`, without which the variables would be gone.
        return loaded.signatures[_SIGNATURE](**{argument: images})[layer]

    return {
        layer: Source(functools.partial(function, layer), tuple(spec.shape), spec.dtype, None, {})
        for layer in signature.structured_outputs
    }
