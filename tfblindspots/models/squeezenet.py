"""SqueezeNet v1.0 (Iandola et al., arXiv:1602.07360), as its authors' ImageNet weights expect it.

Input 227x227; RGB in [0, 1] becomes BGR from 0 to 255 less the mean inside the graph. There are no
dense layers, so that any size from 35 on works.
"""

import itertools

import keras

from tfblindspots.models.colours import check_image_shape, to_bgr_less_mean
from tfblindspots.models.definition import ImageShape, ModelDefinition, glorot_uniform

_NAME = "squeezenet"
_SIZE = 227
# The smallest that leaves a pixel after four windows of stride 2.
_SMALLEST = 35
# Filters of the squeeze layer and of each of the two expand layers, by the module's number.
_FIRE = {
    2: (16, 64),
    3: (16, 64),
    4: (32, 128),
    5: (32, 128),
    6: (48, 192),
    7: (48, 192),
    8: (64, 256),
    9: (64, 256),
}
_POOLED_BEFORE = (2, 5, 9)


def parse(name: str) -> ModelDefinition | None:
    """The definition that ``name`` stands for, if it is ``squeezenet``."""
    if name != _NAME:
        return None
    return ModelDefinition(
        name=_NAME,
        title="SqueezeNet v1.0",
        build=_build,
        weight_decays={},
        trainer="fit",
        image_shape=(_SIZE, _SIZE, 3),
    )


def _build(image_shape: ImageShape, num_classes: int, seed: int) -> keras.Model:
    check_image_shape(_NAME, image_shape, _SMALLEST)
    number = itertools.count()

    def convolution(
        inputs: keras.KerasTensor,
        name: str,
        filters: int,
        size: int,
        strides: int = 1,
        padding: str = "valid",
    ) -> keras.KerasTensor:
        return keras.layers.Conv2D(
            filters,
            size,
            strides=strides,
            padding=padding,
            activation="relu",
            kernel_initializer=glorot_uniform(seed, next(number)),
            name=name,
        )(inputs)

    images = keras.Input(image_shape, name="images")
    features = convolution(to_bgr_less_mean(images), "conv1", 96, 7, strides=2)
    for module, (squeezed, expanded) in _FIRE.items():
        fire = f"fire{module}"
        if module in _POOLED_BEFORE:
            features = keras.layers.MaxPooling2D(3, 2, name=f"pool_before_{fire}")(features)
        features = convolution(features, f"{fire}_squeeze1x1", squeezed, 1)
        features = keras.layers.Concatenate(name=fire)(
            [
                convolution(features, f"{fire}_expand1x1", expanded, 1),
                convolution(features, f"{fire}_expand3x3", expanded, 3, padding="same"),
            ]
        )
    # Where dropout is in training. It has no weights, and Keras seeds it.
    features = keras.layers.Dropout(0.5, seed=seed, name="dropout")(features)
    features = convolution(features, "conv10", num_classes, 1)
    logits = keras.layers.GlobalAveragePooling2D(name="logits")(features)
    return keras.Model(images, logits, name=_NAME)
