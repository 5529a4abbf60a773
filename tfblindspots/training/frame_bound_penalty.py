"""Penalises the upper frame bounds of a network's layers while it trains (paper, section 4.3)."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfblindspots.errors import InputError

_FIRST_ITERATIONS = 20
_TINY = float(np.finfo(np.float32).tiny)


class FrameBoundPenalty:
    """The weighted sum of the norms of a network's linear layers.

    A norm is that of the layer as it is applied to its images, zero padding included, which the
    upper frame bound exceeds by little. It is found by power iteration, one step each time the
    penalty is computed: from one step of training to the next kernels change little (Yoshida and
    Miyato, arXiv:1705.10941).
    """

    def __init__(self, model: keras.Model, weight: float) -> None:
        """Starts the power iterations.

        Args:
          model: whose layers with weights are all dense layers or convolutions.
          weight: what the sum of the norms is multiplied by, at least 0.

        Raises:
          InputError: the weight is negative or not finite, or another layer has weights.
        """
        if not (np.isfinite(weight) and weight >= 0):
            raise InputError(f"frame_bound_penalty is {weight}; expected a number of at least 0.")
        self._weight = weight
        self._layers: list[tuple[Callable[[tf.Tensor], tf.Tensor], tf.Variable]] = []
        for number, layer in enumerate(model.layers):
            if not layer.get_weights():
                continue
            shape = (1, *layer.input.shape[1:])
            start = np.random.default_rng(number).normal(size=shape)
            vector = tf.Variable(start.astype(np.float32), trainable=False)
            self._layers.append((_linear_part(layer), vector))
        for _ in range(_FIRST_ITERATIONS):
            self()

    @property
    def vectors(self) -> list[tf.Variable]:
        """What the power iterations have come to: all that changes from call to call."""
        return [vector for _, vector in self._layers]

    def __call__(self) -> tf.Tensor:
        """The penalty, float32 scalar, differentiable in the kernels."""
        return self._weight * tf.add_n([_norm(*layer) for layer in self._layers])


def _norm(linear: Callable[[tf.Tensor], tf.Tensor], vector: tf.Variable) -> tf.Tensor:
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(vector)
        half_square = tf.reduce_sum(linear(vector) ** 2) / 2
    improved = tf.stop_gradient(tape.gradient(half_square, vector))
    length = tf.norm(improved)
    # A kernel of zeros leaves no direction, nor has its norm a gradient.
    improved = tf.where(length > 0, tf.math.divide_no_nan(improved, length), vector)
    vector.assign(improved)
    return tf.sqrt(tf.maximum(tf.reduce_sum(linear(improved) ** 2), _TINY))


def _linear_part(layer: Any) -> Callable[[tf.Tensor], tf.Tensor]:
    if isinstance(layer, keras.layers.Dense):
        return lambda x: tf.matmul(x, layer.kernel)
    if isinstance(layer, keras.layers.Conv2D):
        return lambda x: layer.convolution_op(x, layer.kernel)
    raise InputError(
        f"layer {layer.name} is a {type(layer).__name__}; frame_bound_penalty is for networks in "
        "which only dense layers and convolutions have weights."
    )
