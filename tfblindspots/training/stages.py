"""One stage of a QuocNet, learnt greedily: filters, then the constant of its normalisation."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfblindspots.models import Stage
from tfblindspots.models.quocnet import filtering, normalization, pooling
from tfblindspots.training.reconstruction_ica import Objective, RicaConfig, learn_filters

_BATCH_SIZE = 500
_SAMPLE = 5_000  # images by which the normalisation's floor is set

PIXELS = RicaConfig(
    centre=True, kept_variance=0.98, whitening=0.1, initial="random", reconstruction_weight=3.0
)
FEATURES = RicaConfig(
    centre=False, kept_variance=1.0, whitening=20.0, initial="units", reconstruction_weight=10.0
)


class LearntStage(NamedTuple):
    """The layers of a stage, and the objective's terms after each step of learning them."""

    layers: tuple[keras.layers.Layer, ...]  # filtering, pooling, normalisation
    curve: list[Objective]


def learn_stage(
    inputs: np.ndarray, number: int, stage: Stage, *, steps: int, seed: int, progress: bool = False
) -> LearntStage:
    """Learns a stage from what the stages below make of unlabelled images.

    Args:
      inputs: float32 [N, H, W, C]: images for the first stage, else features.
      number: of the stage, from 1.
      stage: its shape.
      steps: of learning the filters.
      seed: of every random choice; with ``number`` it keys them.
      progress: shows a bar.

    Raises:
      InputError: the objective became NaN or infinite.
    """
    config = dataclasses.replace(PIXELS if number == 1 else FEATURES, steps=steps)
    key = int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
    filters, pools = filtering(number, stage), pooling(number, stage)
    curve = learn_filters(inputs, filters, pools, config, seed=key, progress=progress)
    # The mean deviation, as Jarrett et al. (2009), but of many images rather than of each: what an
    # image lacks in contrast altogether is no reason to normalise it more.
    pooled = apply_layers((filters, pools), inputs[:_SAMPLE])
    floor = float(normalization(number, stage, 1.0).deviation(tf.constant(pooled)).numpy().mean())
    return LearntStage((filters, pools, normalization(number, stage, floor)), curve)


def apply_layers(layers: Sequence[keras.layers.Layer], inputs: np.ndarray) -> np.ndarray:
    """What a chain of layers makes of many inputs, float32 [N, H, W, C] to [N, H', W', M]."""
    function = tf.function(
        lambda batch: functools.reduce(lambda values, layer: layer(values), layers, batch),
        autograph=False,
    ).get_concrete_function(tf.TensorSpec([None, *inputs.shape[1:]], tf.float32))
    starts = range(0, len(inputs), _BATCH_SIZE)
    return np.concatenate(
        [function(tf.constant(inputs[start : start + _BATCH_SIZE])).numpy() for start in starts]
    )
