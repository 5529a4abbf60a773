"""A scaled-down QuocNet: three stages of local filters, L2 pooling and contrast normalisation.

Le et al., "Building high-level features using large scale unsupervised learning" (2012), with small
images and some 10^5 to 10^6 weights instead of 10^9. As there, no two positions share weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import keras

from tfblindspots.errors import InputError
from tfblindspots.models.definition import ImageShape
from tfblindspots.models.local_layers import (
    L2Pooling2D,
    LocalContrastNormalization2D,
    LocallyConnected2D,
)

_EPSILON = 1e-2


@dataclass(frozen=True)
class Stage:
    """One stage: its filters, its pooling and its normalisation.

    Attributes:
      receptive_field: height and width of what a filter sees, in positions of the stage below.
      stride: positions of the stage below from a filter to the next.
      maps: filters at each position.
      pool_size: height and width of what a pooling unit sees, in positions of filters.
      pool_stride: positions of filters from a pooling unit to the next.
      window: height and width of the neighbourhood of the normalisation, odd.
    """

    receptive_field: int
    stride: int
    maps: int
    pool_size: int
    pool_stride: int
    window: int


STAGES = (
    Stage(receptive_field=6, stride=2, maps=64, pool_size=2, pool_stride=2, window=5),
    Stage(receptive_field=2, stride=1, maps=96, pool_size=2, pool_stride=1, window=5),
    Stage(receptive_field=2, stride=1, maps=192, pool_size=2, pool_stride=1, window=3),
)


def filtering(number: int, stage: Stage) -> LocallyConnected2D:
    """The linear layer of stage ``number`` (from 1), its weights still zero."""
    return LocallyConnected2D(
        stage.maps, stage.receptive_field, stage.stride, name=f"filters_{number}"
    )


def pooling(number: int, stage: Stage) -> L2Pooling2D:
    """The pooling of stage ``number``."""
    return L2Pooling2D(stage.pool_size, stage.pool_stride, _EPSILON, name=f"pooling_{number}")


def normalization(number: int, stage: Stage, floor: float) -> LocalContrastNormalization2D:
    """The normalisation of stage ``number``; ``floor`` as of its layer."""
    return LocalContrastNormalization2D(stage.window, floor, name=f"normalization_{number}")


def check_stages(image_shape: ImageShape, stages: Sequence[Stage]) -> None:
    """Rejects images that are too small for the stages.

    Raises:
      InputError: a receptive field or a pool does not fit into what the stage below gives.
    """
    sides = list(image_shape[:2])
    for number, stage in enumerate(stages, start=1):
        steps = ((stage.receptive_field, stage.stride), (stage.pool_size, stage.pool_stride))
        for size, stride in steps:
            if min(sides) < size:
                raise InputError(
                    f"stage {number} of the network needs {size}x{size} positions but images of "
                    f"shape {list(image_shape)} leave it {sides[0]}x{sides[1]}; expected larger "
                    "images, such as 32x32."
                )
            sides = [(side - size) // stride + 1 for side in sides]


def build_quocnet(
    image_shape: ImageShape, layers: Sequence[keras.layers.Layer], num_classes: int = 2
) -> keras.Model:
    """Images through the layers of all stages, then a linear classifier on the last one's features.

    Args:
      image_shape: height, width and channels.
      layers: filtering, pooling and normalisation of each stage in turn. The model has
        frozen copies of them.
      num_classes: outputs of the layer ``logits``, whose weights are zero.
    """
    images = keras.Input(image_shape, name="images")
    features = images
    for layer in layers:
        frozen = type(layer).from_config({**layer.get_config(), "trainable": False})
        features = frozen(features)
        frozen.set_weights(layer.get_weights())
    features = keras.layers.Flatten(name="flatten")(features)
    logits = keras.layers.Dense(num_classes, kernel_initializer="zeros", name="logits")(features)
    return keras.Model(images, logits, name="quocnet")
