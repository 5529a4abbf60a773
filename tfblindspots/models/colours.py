"""From RGB in [0, 1] to what a trained network expects, as one linear layer of its graph."""

import keras
import numpy as np

from tfblindspots.errors import InputError
from tfblindspots.models.definition import ImageShape

PREPROCESSING = "preprocessing"
# Of ImageNet's training photos, 0 to 255, as Caffe's networks have it: blue, green, red.
MEAN_BGR = (104.0, 117.0, 123.0)


def transform_colours(
    images: keras.KerasTensor, matrix: np.ndarray, offset: np.ndarray
) -> keras.KerasTensor:
    """Adds the layer ``preprocessing``, a 1x1 convolution: ``pixel @ matrix + offset``.

    A convolution rather than arithmetic, so that whatever looks at layers (bounds, activations)
    knows it. It is not trained.

    Args:
      images: [B, H, W, 3].
      matrix: [3, 3], from RGB channels to the network's.
      offset: [3].
    """
    # "zeros": a random start, thrown away below, would be drawn from a global generator.
    layer = keras.layers.Conv2D(
        3, 1, kernel_initializer="zeros", trainable=False, name=PREPROCESSING
    )
    outputs = layer(images)
    layer.set_weights([np.reshape(matrix, (1, 1, 3, 3)), offset])
    return outputs


def to_bgr_less_mean(images: keras.KerasTensor) -> keras.KerasTensor:
    """Caffe's input: blue, green, red from 0 to 255, less ``MEAN_BGR``."""
    return transform_colours(images, 255.0 * np.eye(3)[::-1], -np.array(MEAN_BGR))


def to_rgb_less_mean(images: keras.KerasTensor) -> keras.KerasTensor:
    """Red, green, blue from 0 to 255, less the mean."""
    return transform_colours(images, 255.0 * np.eye(3), -np.array(MEAN_BGR[::-1]))


def check_image_shape(name: str, image_shape: ImageShape, smallest: int) -> None:
    """Rejects images that a network cannot take.

    Raises:
      InputError: they are not RGB, or smaller than ``smallest`` in height or width.
    """
    height, width, channels = image_shape
    if channels != 3:
        raise InputError(
            f"model {name} takes RGB images, and these have {channels} channel"
            f"{'s' if channels != 1 else ''}; use a data set of colour photos."
        )
    if min(height, width) < smallest:
        raise InputError(
            f"model {name} takes images of at least {smallest}x{smallest} pixels, and these have "
            f"{height}x{width}; use larger images."
        )
