"""fcA-B-...-K: sigmoid hidden layers of A, B, ... units and a softmax over K classes."""

import functools
import re

import keras

from tfblindspots.models.definition import (
    ImageShape,
    ModelDefinition,
    check_num_classes,
    glorot_uniform,
)

_NAME = re.compile(r"fc[1-9]\d*(-[1-9]\d*)+")
# Paper, table 1: (1e-5, 1e-5, 1e-6) for two hidden layers and the softmax.
_HIDDEN_WEIGHT_DECAY = 1e-5
_LOGITS_WEIGHT_DECAY = 1e-6


def parse(name: str) -> ModelDefinition | None:
    """The definition that ``name``, such as ``fc100-100-10``, stands for, if any."""
    if not _NAME.fullmatch(name):
        return None
    *hidden_units, num_classes = map(int, name.removeprefix("fc").split("-"))
    hidden = {_hidden_name(layer): _HIDDEN_WEIGHT_DECAY for layer in range(len(hidden_units))}
    return ModelDefinition(
        name=name,
        title=name.upper(),
        build=functools.partial(_build, name, hidden_units, num_classes),
        weight_decays={**hidden, "logits": _LOGITS_WEIGHT_DECAY},
        trainer="lbfgs",
    )


def _hidden_name(layer: int) -> str:
    return f"hidden_{layer + 1}"


def _build(
    name: str,
    hidden_units: list[int],
    expected_classes: int,
    image_shape: ImageShape,
    num_classes: int,
    seed: int,
) -> keras.Model:
    check_num_classes(name, expected_classes, num_classes)
    images = keras.Input(image_shape, name="images")
    activations = keras.layers.Flatten(name="flatten")(images)
    for layer, units in enumerate(hidden_units):
        activations = keras.layers.Dense(
            units,
            activation="sigmoid",
            kernel_initializer=glorot_uniform(seed, layer),
            name=_hidden_name(layer),
        )(activations)
    logits = keras.layers.Dense(
        num_classes, kernel_initializer=glorot_uniform(seed, len(hidden_units)), name="logits"
    )(activations)
    return keras.Model(images, logits, name=name)
