"""What a model definition is, and what the definitions share."""

import dataclasses
from collections.abc import Callable, Mapping

import keras
import numpy as np

from tfblindspots.errors import InputError

ImageShape = tuple[int, int, int]


@dataclasses.dataclass(frozen=True)
class ModelDefinition:
    """A network to train: how it is built and what its training needs to know."""

    name: str  # as in --model: 'fc100-100-10'
    title: str  # as in the paper: 'FC100-100-10'
    # (image_shape, num_classes, seed) -> a Keras model with fresh weights that outputs logits.
    build: Callable[[ImageShape, int, int], keras.Model]
    # Layer name -> lambda: the loss gains lambda * sum(w^2) / k over the connection weights of the
    # layer of k units (paper, section 4.1); biases are free.
    weight_decays: Mapping[str, float]
    trainer: str  # 'lbfgs', 'fit' or 'autoencoder'
    # Of the images that published weights are for; None where images of any shape do.
    image_shape: ImageShape | None = None


def check_num_classes(name: str, expected: int, num_classes: int) -> None:
    """Rejects data whose number of classes is not the one in the network's name.

    Raises:
      InputError: the numbers differ.
    """
    if expected != num_classes:
        raise InputError(
            f"model {name} has {expected} classes but the data has {num_classes}; the last number "
            f"of the name must be {num_classes}."
        )


def glorot_uniform(seed: int, layer: int) -> keras.initializers.Initializer:
    """Keras's default initialiser, with random numbers keyed by the seed and the layer's number."""
    return keras.initializers.GlorotUniform(seed=initializer_seed(seed, layer))


def initializer_seed(seed: int, layer: int) -> int:
    """A number for Keras's generators, keyed by the seed and the layer's number."""
    return int(np.random.SeedSequence((seed, layer)).generate_state(1)[0])
