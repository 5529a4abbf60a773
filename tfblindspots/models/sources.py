"""The function inside a model of any origin, and how its parts are chosen by name."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from tfblindspots.errors import InputError
from tfblindspots.models.interface import ModelInterface

_LOGITS = "logits"


class Source(NamedTuple):
    """A model of any origin."""

    function: Callable[[tf.Tensor], tf.Tensor]  # what the model expects -> what it gives
    shape: tuple[int | None, ...]  # of its input, batch first, as the model declares it
    dtype: tf.DType  # of its input
    # Whether the output is probabilities, where the last layer says so; None where it does not.
    probabilities: bool | None
    # The part of the model that this is, where it is not the one that is taken by default.
    part: dict[str, str]


def check_differentiable(dtype: tf.DType, name: str) -> None:
    """Rejects (InputError) models of integers."""
    if not dtype.is_floating:
        raise InputError(
            f"model {name} takes images of {dtype.name}, through which there is no gradient; "
            "expected float32. Save it without the conversion, and give --pixel_range=0,255."
        )


def the_input(names: Sequence[str], interface: ModelInterface, name: str) -> str:
    """The name of the one input; InputError where there are several, or none of the name given."""
    if len(names) != 1:
        found = ", ".join(sorted(names))
        raise InputError(
            f"model {name} has {len(names)} inputs ({found}); expected one, a batch of images. "
            "Save it with the others fixed."
        )
    return chosen("input", interface.input or names[0], names, name)


def the_output(names: Sequence[str], interface: ModelInterface, name: str) -> str:
    """The name of the output that is asked for; InputError where that is not clear."""
    return chosen("output", interface.output or guessed_output(names), names, name)


def guessed_output(names: Sequence[str]) -> str | None:
    """The output that is taken when none is named."""
    if _LOGITS in names:
        return _LOGITS
    return names[0] if len(names) == 1 else None


def chosen(what: str, key: str | None, names: Sequence[str], name: str) -> str:
    """``key``, which must be among ``names``, those that the model has: InputError otherwise."""
    found = sorted(names)
    if key is None:
        raise InputError(
            f"model {name} has {len(names)} {what}s: {', '.join(found)}; name the one that gives "
            f"logits with --{what} (in Python {what})."
        )
    if key not in names:
        raise InputError(f"model {name} has no {what} '{key}'; expected {' or '.join(found)}.")
    return key
