"""The function of a loaded SavedModel, whoever wrote it."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfblindspots.errors import InputError
from tfblindspots.models.interface import ModelInterface
from tfblindspots.models.sources import (
    Source,
    check_differentiable,
    chosen,
    guessed_output,
    the_input,
    the_output,
)

_DEFAULT_SIGNATURE = "serving_default"


def from_saved_model(loaded: Any, interface: ModelInterface, name: str) -> Source:
    """The function of a loaded SavedModel: a signature or, where there are none, its ``__call__``.

    Raises:
      InputError: there is no such signature, input or output, or several and none is named; its
        input is of unknown rank, or of integers.
    """
    if interface.signature is None and not loaded.signatures and callable(loaded):
        return _from_call(loaded, interface, name)
    key = _the_signature(loaded.signatures, interface, name)
    inputs = loaded.signatures[key].structured_input_signature[1]
    outputs = loaded.signatures[key].structured_outputs
    input_name = the_input(list(inputs), interface, name)
    output = the_output(list(outputs), interface, name)

    def function(images: tf.Tensor) -> tf.Tensor:
        # A signature is not tracked by the closure alone: without `loaded` its variables would go.
        return loaded.signatures[key](**{input_name: images})[output]

    part = {}
    if key != _guessed_signature(loaded.signatures):
        part["signature"] = key
    if output != guessed_output(list(outputs)):
        part["output"] = output
    return Source(function, *_input(inputs[input_name], name), None, part)


def _from_call(loaded: Any, interface: ModelInterface, name: str) -> Source:
    """A SavedModel that was saved without signatures, but can be called."""
    specs = [
        [spec for spec in tf.nest.flatten(function.structured_input_signature) if _is_tensor(spec)]
        for function in getattr(loaded.__call__, "concrete_functions", ())
    ]
    (spec, *_) = next((found for found in specs if len(found) == 1), [None])
    if spec is None:
        raise InputError(
            f"model {name} has no signature, and cannot be called with images alone; expected "
            f"{_DEFAULT_SIGNATURE}, from images to logits. Save it with signatures=..."
        )
    outputs = loaded.__call__.concrete_functions[0].structured_outputs
    names = list(outputs) if isinstance(outputs, Mapping) else ["output"]
    output = the_output(names, interface, name)

    def function(images: tf.Tensor) -> tf.Tensor:
        given = loaded(images)
        return given[output] if isinstance(given, Mapping) else given

    part = {} if output == guessed_output(names) else {"output": output}
    return Source(function, *_input(spec, name), None, part)


def _is_tensor(spec: Any) -> bool:
    return isinstance(spec, tf.TensorSpec)


def _input(spec: tf.TensorSpec, name: str) -> tuple[tuple[int | None, ...], tf.DType]:
    check_differentiable(spec.dtype, name)
    if spec.shape.rank is None:
        raise InputError(
            f"model {name} takes input of unknown rank; expected images [any, height, width, "
            "channels]. Save it with an input signature of that shape."
        )
    return tuple(spec.shape), spec.dtype


def _the_signature(names: Sequence[str], interface: ModelInterface, name: str) -> str:
    if not names:
        raise InputError(
            f"model {name} has no signature; expected {_DEFAULT_SIGNATURE}, from images to logits. "
            "Export it with model.export(...) or as a .keras file."
        )
    key = interface.signature or _guessed_signature(names)
    return chosen("signature", key, list(names), name)


def _guessed_signature(names: Sequence[str]) -> str | None:
    if _DEFAULT_SIGNATURE in names:
        return _DEFAULT_SIGNATURE
    return next(iter(names)) if len(names) == 1 else None
