"""The function of a Keras model in memory, of Keras 3 or of Keras 2 (``tf_keras``)."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfblindspots.errors import InputError
from tfblindspots.models.interface import ModelInterface
from tfblindspots.models.opening import keras_library
from tfblindspots.models.sources import (
    Source,
    check_differentiable,
    guessed_output,
    the_input,
    the_output,
)


def from_keras(model: Any, interface: ModelInterface, name: str) -> Source:
    """The function of a Keras model, of either library.

    Raises:
      InputError: as ``keras_input``; the model has several outputs and none is named, or none of
        that name; a signature was asked for.
    """
    shape, dtype, packed = keras_input(model, interface, name)
    if interface.signature is not None:
        raise InputError(
            f"signature '{interface.signature}' was asked for, and {name} is a Keras model, which "
            "has none; leave it out."
        )
    position, output = keras_output(model, interface, name)

    def function(images: tf.Tensor) -> tf.Tensor:
        return tf.nest.flatten(model(packed(images), training=False))[position]

    part = {} if output == guessed_output(_output_names(model)) else {"output": output}
    return Source(function, shape, dtype, _declared(model, model.outputs[position]), part)


def keras_output(model: Any, interface: ModelInterface, name: str) -> tuple[int, str]:
    """Position and name of the output that is asked for; InputError where that is not clear."""
    names = _output_names(model)
    output = the_output(names, interface, name)
    return names.index(output), output


def _output_names(model: Any) -> list[str]:
    return list(getattr(model, "output_names", ())) or ["output"]


def keras_input(
    model: Any, interface: ModelInterface, name: str
) -> tuple[tuple[int | None, ...], tf.DType, Callable[[tf.Tensor], Any]]:
    """Shape and type of the images that a Keras model declares, and how it wants them packed.

    Raises:
      InputError: the model does not declare its input, takes several, or takes integers.
    """
    if not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
        raise InputError(
            f"Keras model {name} does not say what images it takes; expected a functional model, "
            "such as keras.Model(images, model(images)) with images = keras.Input(shape)."
        )
    names = [tensor.name.partition(":")[0] for tensor in model.inputs]
    the_input(names, interface, name)
    dtype = tf.as_dtype(model.inputs[0].dtype)
    check_differentiable(dtype, name)
    # Models that were made with keras.Model([images], ...) take a list of one.
    structure = getattr(model, "input", None)
    nested = isinstance(structure, list | tuple | dict)
    return (
        tuple(model.inputs[0].shape),
        dtype,
        lambda images: tf.nest.pack_sequence_as(structure, [images]) if nested else images,
    )


def _declared(model: Any, output: Any) -> bool | None:
    """Whether the layer that gives ``output`` says that it gives probabilities."""
    # A layer that is used twice has no one output.
    last = [layer for layer in model.layers if getattr(layer, "output", None) is output]
    if not last:
        return None
    layer = last[-1]
    if keras_library(layer):
        inner = getattr(layer, "outputs", None) or []
        return _declared(layer, inner[0]) if len(inner) == 1 else None
    if type(layer).__name__ == "Softmax":
        return True
    activation = getattr(getattr(layer, "activation", None), "__name__", "")
    one_class = output.shape[-1] == 1
    return {"softmax": True, "linear": False, "sigmoid": True if one_class else None}.get(
        activation
    )
