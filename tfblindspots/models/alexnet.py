"""AlexNet (Krizhevsky, Sutskever and Hinton 2012), the paper's ImageNet network.

``alexnet`` has that paper's constants. ``alexnet-caffe`` is the same network as Caffe's
bvlc_alexnet has it, whose weights are the ones that are around: BGR channels, and another local
response normalisation (k = 1, alpha divided by n).
"""

import functools
from typing import Any

import keras

from tfblindspots.models.colours import check_image_shape, to_bgr_less_mean, to_rgb_less_mean
from tfblindspots.models.definition import ImageShape, ModelDefinition, glorot_uniform
from tfblindspots.models.layers import GroupedConv2D, LocalResponseNormalization

_TITLES = {"alexnet": "AlexNet", "alexnet-caffe": "AlexNet (Caffe)"}
_SIZE = 227  # the paper says 224, from which its own sizes of layers do not follow
# The smallest that leaves a pixel after the last pooling.
_SMALLEST = 67
_HIDDEN_UNITS = 4096
_DROPOUT_RATE = 0.5


def parse(name: str) -> ModelDefinition | None:
    """The definition that ``name`` stands for, if it is ``alexnet`` or ``alexnet-caffe``."""
    if name not in _TITLES:
        return None
    return ModelDefinition(
        name=name,
        title=_TITLES[name],
        build=functools.partial(_build, name),
        weight_decays={},
        trainer="fit",
        image_shape=(_SIZE, _SIZE, 3),
    )


def _build(name: str, image_shape: ImageShape, num_classes: int, seed: int) -> keras.Model:
    check_image_shape(name, image_shape, _SMALLEST)
    caffe = name == "alexnet-caffe"
    constants: dict[str, Any] = {"bias": 1.0, "alpha": 1e-4 / 5} if caffe else {}

    def normalised_and_pooled(inputs: keras.KerasTensor, number: int) -> keras.KerasTensor:
        normalised = LocalResponseNormalization(name=f"norm{number}", **constants)(inputs)
        return keras.layers.MaxPooling2D(3, 2, name=f"pool{number}")(normalised)

    def convolution(
        inputs: keras.KerasTensor, number: int, filters: int, size: int, groups: int
    ) -> keras.KerasTensor:
        return GroupedConv2D(
            filters,
            size,
            padding="same",
            groups=groups,
            activation="relu",
            kernel_initializer=glorot_uniform(seed, number),
            name=f"conv{number}",
        )(inputs)

    def dense(inputs: keras.KerasTensor, number: int) -> keras.KerasTensor:
        hidden = keras.layers.Dense(
            _HIDDEN_UNITS,
            activation="relu",
            kernel_initializer=glorot_uniform(seed, number),
            name=f"fc{number}",
        )(inputs)
        return keras.layers.Dropout(_DROPOUT_RATE, seed=seed + number, name=f"drop{number}")(hidden)

    images = keras.Input(image_shape, name="images")
    features = keras.layers.Conv2D(
        96,
        11,
        strides=4,
        activation="relu",
        kernel_initializer=glorot_uniform(seed, 1),
        name="conv1",
    )((to_bgr_less_mean if caffe else to_rgb_less_mean)(images))
    features = normalised_and_pooled(features, 1)
    features = normalised_and_pooled(convolution(features, 2, 256, 5, groups=2), 2)
    features = convolution(features, 3, 384, 3, groups=1)
    features = convolution(features, 4, 384, 3, groups=2)
    features = convolution(features, 5, 256, 3, groups=2)
    features = keras.layers.MaxPooling2D(3, 2, name="pool5")(features)
    features = dense(dense(keras.layers.Flatten(name="flatten")(features), 6), 7)
    features = keras.layers.Dense(
        num_classes, kernel_initializer=glorot_uniform(seed, 8), name="fc8"
    )(features)
    # fc8 is how files of weights call it, logits what the last layer of every definition is called.
    logits = keras.layers.Activation("linear", name="logits")(features)
    return keras.Model(images, logits, name=name)
