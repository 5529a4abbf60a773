"""Layers that Keras does not have, or not in a form that is quick on a CPU."""

from typing import Any

import keras
import tensorflow as tf

_register = keras.saving.register_keras_serializable(package="tfblindspots")


@_register
class LocalResponseNormalization(keras.layers.Layer):
    """Divides by what neighbouring channels answer (Krizhevsky et al. 2012, section 3.3).

    ``outputs = inputs / (bias + alpha * s) ** beta``, where s is the sum of the squares of the
    channels that are at most ``depth_radius`` away. The defaults are the paper's k = 2, n = 5,
    alpha = 1e-4, beta = 0.75. Caffe divides alpha by n; give it divided.

    Attributes:
      depth_radius: channels to each side; n = 2 * depth_radius + 1.
      bias: the paper's k.
      alpha: weight of the sum (not of the mean) of the squares.
      beta: exponent.
    """

    def __init__(
        self,
        depth_radius: int = 2,
        bias: float = 2.0,
        alpha: float = 1e-4,
        beta: float = 0.75,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.depth_radius = depth_radius
        self.bias = bias
        self.alpha = alpha
        self.beta = beta

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Normalises float32 [B, H, W, C]."""
        return tf.nn.local_response_normalization(
            inputs, self.depth_radius, self.bias, self.alpha, self.beta
        )

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape stays."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constants, for saving."""
        return {
            **super().get_config(),
            "depth_radius": self.depth_radius,
            "bias": self.bias,
            "alpha": self.alpha,
            "beta": self.beta,
        }


@_register
class GroupedConv2D(keras.layers.Conv2D):
    """``keras.layers.Conv2D`` with ``groups``, computed group by group.

    On a CPU, Keras hands grouped convolutions to XLA, whose gradient takes seven times as long.
    """

    def convolution_op(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """Convolves each group of channels with its own filters."""
        pairs = zip(
            keras.ops.split(inputs, self.groups, axis=-1),
            keras.ops.split(kernel, self.groups, axis=-1),
            strict=True,
        )
        convolve = super().convolution_op
        return keras.ops.concatenate([convolve(x, part) for x, part in pairs], axis=-1)
