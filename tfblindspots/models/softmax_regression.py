"""FC10(lambda): softmax regression on pixels, with the paper's three weight decays."""

import functools

import keras

from tfblindspots.models.definition import (
    ImageShape,
    ModelDefinition,
    check_num_classes,
    glorot_uniform,
)

_NUM_CLASSES = 10
_WEIGHT_DECAYS = {"fc10-1e-4": 1e-4, "fc10-1e-2": 1e-2, "fc10-1": 1.0}


def parse(name: str) -> ModelDefinition | None:
    """The definition that ``name``, such as ``fc10-1e-4``, stands for, if any."""
    if name not in _WEIGHT_DECAYS:
        return None
    return ModelDefinition(
        name=name,
        title=f"FC10({name.removeprefix('fc10-')})",
        build=functools.partial(_build, name),
        weight_decays={"logits": _WEIGHT_DECAYS[name]},
        trainer="lbfgs",
    )


def _build(name: str, image_shape: ImageShape, num_classes: int, seed: int) -> keras.Model:
    check_num_classes(name, _NUM_CLASSES, num_classes)
    images = keras.Input(image_shape, name="images")
    pixels = keras.layers.Flatten(name="flatten")(images)
    logits = keras.layers.Dense(
        num_classes, kernel_initializer=glorot_uniform(seed, 0), name="logits"
    )(pixels)
    return keras.Model(images, logits, name=name)
