"""conv: one convolution, max-pooling, a dense layer, dropout, softmax (paper, section 3)."""

import keras

from tfblindspots.errors import InputError
from tfblindspots.models.definition import ImageShape, ModelDefinition, glorot_uniform

_NAME = "conv"
_FILTERS = 32
_KERNEL_SIZE = 5
_POOL_SIZE = 2
_HIDDEN_UNITS = 64
_DROPOUT_RATE = 0.5


def parse(name: str) -> ModelDefinition | None:
    """The definition that ``name`` stands for, if it is ``conv``."""
    if name != _NAME:
        return None
    return ModelDefinition(name=_NAME, title="Conv", build=_build, weight_decays={}, trainer="fit")


def _build(image_shape: ImageShape, num_classes: int, seed: int) -> keras.Model:
    if min(image_shape[:2]) < _POOL_SIZE:
        raise InputError(
            f"model {_NAME} pools {_POOL_SIZE}x{_POOL_SIZE} pixels but the images have shape "
            f"{list(image_shape)}; expected at least that height and width."
        )
    images = keras.Input(image_shape, name="images")
    features = keras.layers.Conv2D(
        _FILTERS,
        _KERNEL_SIZE,
        padding="same",
        activation="relu",
        kernel_initializer=glorot_uniform(seed, 0),
        name="convolution",
    )(images)
    features = keras.layers.MaxPooling2D(_POOL_SIZE, name="max_pooling")(features)
    features = keras.layers.Flatten(name="flatten")(features)
    features = keras.layers.Dense(
        _HIDDEN_UNITS,
        activation="relu",
        kernel_initializer=glorot_uniform(seed, 1),
        name="hidden_1",
    )(features)
    features = keras.layers.Dropout(_DROPOUT_RATE, seed=seed, name="dropout")(features)
    logits = keras.layers.Dense(
        num_classes, kernel_initializer=glorot_uniform(seed, 2), name="logits"
    )(features)
    return keras.Model(images, logits, name=_NAME)
