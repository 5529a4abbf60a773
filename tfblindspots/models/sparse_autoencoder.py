"""aeN-K: softmax over K classes on the frozen code, of N sigmoid units, of a sparse autoencoder."""

import functools
import re

import keras

from tfblindspots.models.definition import (
    ImageShape,
    ModelDefinition,
    check_num_classes,
    glorot_uniform,
)

_NAME = re.compile(r"ae([1-9]\d*)-([1-9]\d*)")
_WEIGHT_DECAY = 1e-6  # paper, table 1


def parse(name: str) -> ModelDefinition | None:
    """The definition that ``name``, such as ``ae400-10``, stands for, if any."""
    match = _NAME.fullmatch(name)
    if not match:
        return None
    code_units, num_classes = map(int, match.groups())
    return ModelDefinition(
        name=name,
        title=name.upper(),
        build=functools.partial(_build, name, code_units, num_classes),
        weight_decays={"logits": _WEIGHT_DECAY},
        trainer="autoencoder",
    )


def _build(
    name: str,
    code_units: int,
    expected_classes: int,
    image_shape: ImageShape,
    num_classes: int,
    seed: int,
) -> keras.Model:
    check_num_classes(name, expected_classes, num_classes)
    images = keras.Input(image_shape, name="images")
    pixels = keras.layers.Flatten(name="flatten")(images)
    # Learnt by reconstruction alone; the classifier on top must not change it.
    code = keras.layers.Dense(
        code_units,
        activation="sigmoid",
        kernel_initializer=glorot_uniform(seed, 0),
        trainable=False,
        name="code",
    )(pixels)
    logits = keras.layers.Dense(
        num_classes, kernel_initializer=glorot_uniform(seed, 1), name="logits"
    )(code)
    return keras.Model(images, logits, name=name)
