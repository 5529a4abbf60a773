"""The function that training minimises: mean cross-entropy plus weight decay (section 4.1)."""

import math
from collections.abc import Mapping

import keras
import tensorflow as tf

from tfblindspots.errors import InputError


def weight_decay_penalty(model: keras.Model, weight_decays: Mapping[str, float]) -> tf.Tensor:
    """Sum over layers of ``lambda * sum(w^2) / k`` for a layer of k units (section 4.1).

    Args:
      model: holds a layer of each name in ``weight_decays``.
      weight_decays: lambda, at least 0, by layer name. Only connection weights are decayed, never
        biases; a layer that is not named is not decayed.

    Returns:
      float32 scalar, differentiable in the layers' kernels.
    """
    penalty = tf.constant(0.0)
    for name, weight_decay in weight_decays.items():
        kernel = tf.convert_to_tensor(model.get_layer(name).kernel)
        # The last axis counts the units: columns of a dense kernel, filters of a convolution.
        penalty += weight_decay / kernel.shape[-1] * tf.reduce_sum(tf.square(kernel))
    return penalty


def mean_cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Mean over images of the cross-entropy: labels int [N], logits [N, K] to a scalar, in nats."""
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    )


def check_finite(loss: float, name: str, iterations: int) -> None:
    """Ends a training that has diverged.

    Args:
      loss: the loss at present.
      name: the model, for the message.
      iterations: how many were done.

    Raises:
      InputError: ``loss`` is not a finite number.
    """
    if not math.isfinite(loss):
        raise InputError(
            f"Training {name} diverged: its loss is {loss} after {iterations} iterations; expected "
            "a finite number. Check that all images are finite and in [0, 1], or try another seed."
        )
