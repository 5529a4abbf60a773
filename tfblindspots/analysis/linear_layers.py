"""The linear part of a Keras layer: what its frame bounds are computed from (section 4.3)."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfblindspots.analysis.frame_bounds import FrameBounds, convolution_bounds, dense_bounds
from tfblindspots.analysis.lipschitz_constants import as_array
from tfblindspots.models import GroupedConv2D

_TOLERANCE = 1e-4
_MAX_ITERATIONS = 50


@dataclasses.dataclass(frozen=True)
class Dense:
    """A matrix.

    Attributes:
      kernel: float [n, m], from n inputs to m units.
    """

    kernel: np.ndarray

    def bounds(self) -> FrameBounds:
        """Its extreme singular values."""
        return dense_bounds(self.kernel)

    def padded_norm(self) -> float | None:
        """None, since nothing is padded."""
        return None

    def scaled(self, factors: np.ndarray) -> "Dense":
        """The matrix with each output multiplied by its factor, float [m]."""
        return Dense(self.kernel * factors)


@dataclasses.dataclass(frozen=True)
class Convolution:
    """A convolution as a layer applies it.

    Attributes:
      kernel: float [kh, kw, C / groups, F].
      image_size: height and width of the images with C channels: the layer's input, or, if it is
        transposed, its output.
      strides: vertical and horizontal.
      dilation: vertical and horizontal.
      padding: ``"same"`` or ``"valid"``; None where it is another.
      groups: as in ``convolution_bounds``.
      transposed: the layer is the adjoint of this convolution.
    """

    kernel: np.ndarray
    image_size: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: str | None = "same"
    groups: int = 1
    transposed: bool = False

    def bounds(self) -> FrameBounds:
        """See ``convolution_bounds``."""
        return convolution_bounds(
            self.kernel,
            self.image_size,
            self.strides,
            self.dilation,
            self.groups,
            self.transposed,
        )

    def padded_norm(self) -> float | None:
        """The norm of the layer with its zero padding, from below, by power iteration.

        It converges to the norm; what it returns is exceeded by the norm alone, never the reverse,
        up to rounding of float32.
        """
        if self.padding is None:
            return None
        image = [1, *self.image_size, self.kernel.shape[2] * self.groups]
        start = np.random.default_rng(0).normal(size=image).astype(np.float32)
        return float(_power_iteration(self._apply(), tf.constant(start)))

    def scaled(self, factors: np.ndarray) -> "Convolution":
        """The convolution with each output channel of the layer multiplied by its factor."""
        if not self.transposed:
            return dataclasses.replace(self, kernel=self.kernel * factors)
        by_group = factors.reshape(self.groups, 1, 1, -1, 1)
        blocks = np.stack(np.split(self.kernel, self.groups, axis=3)) * by_group
        return dataclasses.replace(self, kernel=np.concatenate(list(blocks), axis=3))

    def _apply(self) -> Callable[[tf.Tensor], tf.Tensor]:
        kernel = tf.constant(self.kernel, tf.float32)
        options: dict[str, Any] = {"padding": str(self.padding).upper(), "dilations": self.dilation}
        height, width, inputs, outputs = self.kernel.shape
        if inputs == 1 and self.groups > 1:
            depthwise = tf.reshape(kernel, [height, width, self.groups, outputs // self.groups])
            # TensorFlow convolves depthwise with equal strides alone; others leave out answers.
            stride = self.strides[0]
            if self.strides == (stride, stride):
                strides = [1, stride, stride, 1]
                return lambda x: tf.nn.depthwise_conv2d(x, depthwise, strides, **options)
        kernels = tf.split(kernel, self.groups, axis=3)

        def convolve(images: tf.Tensor) -> tf.Tensor:
            # Group by group: TensorFlow has no gradient of grouped convolutions on a CPU.
            parts = zip(tf.split(images, self.groups, axis=3), kernels, strict=True)
            return tf.concat(
                [tf.nn.conv2d(part, own, self.strides, **options) for part, own in parts], axis=3
            )

        return convolve


LinearMap = Dense | Convolution
Shape = tuple[int, ...]


def linear_map(layer: keras.Operation, input_shape: Shape, output_shape: Shape) -> LinearMap | None:
    """The linear part of a layer, without bias and activation.

    Args:
      layer: built.
      input_shape: of its input, without the batch.
      output_shape: of its output, without the batch.

    Returns:
      None where the layer is no dense, convolutional, depthwise, separable or transposed
      convolutional layer of one or two dimensions.
    """
    # Not their subclasses, which may compute anything.
    make = _MAPS.get(type(layer))
    return make(layer, input_shape, output_shape) if make else None


def _power_iteration(function: Callable[[tf.Tensor], tf.Tensor], start: tf.Tensor) -> tf.Tensor:
    """The norm of a linear function, from below: ||W v|| of the last unit vector v."""

    def step(vector: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        vector = vector / tf.norm(vector)
        with tf.GradientTape() as tape:
            tape.watch(vector)
            answer = function(vector)
            half_square = tf.reduce_sum(answer**2) / 2
        return tape.gradient(half_square, vector), tf.norm(answer)

    norm = tf.constant(0.0)
    for _ in range(_MAX_ITERATIONS):
        before = norm
        start, norm = step(start)
        if norm - before <= _TOLERANCE * norm:
            break
    return norm


def _dense(layer: Any, _: Shape, __: Shape) -> LinearMap:
    return Dense(as_array(layer.kernel))


def _convolution(layer: Any, shape: Shape, _: Shape) -> LinearMap:
    return _two_dimensional(layer, shape, as_array(layer.kernel), layer.groups)


def _depthwise(layer: Any, shape: Shape, _: Shape) -> LinearMap:
    kernel = as_array(layer.kernel)
    channels = kernel.shape[-2]
    merged = kernel.reshape(*kernel.shape[:-2], 1, -1)
    return _two_dimensional(layer, shape, merged, channels)


def _separable(layer: Any, shape: Shape, _: Shape) -> LinearMap:
    depthwise = as_array(layer.depthwise_kernel)
    pointwise = as_array(layer.pointwise_kernel).reshape(*depthwise.shape[-2:], -1)
    # The two in a row are one convolution.
    return _two_dimensional(layer, shape, np.einsum("...cm,cmf->...cf", depthwise, pointwise), 1)


def _transposed(layer: Any, _: Shape, shape: Shape) -> LinearMap:
    adjoint = _two_dimensional(layer, shape, as_array(layer.kernel), 1)
    return dataclasses.replace(adjoint, transposed=True)


def _two_dimensional(layer: Any, shape: Shape, kernel: np.ndarray, groups: int) -> Convolution:
    """A convolution of the images ``shape``; one of rows is one of images of width 1."""
    spatial = shape[1:] if layer.data_format == "channels_first" else shape[:-1]
    rows = len(spatial) == 1
    return Convolution(
        kernel=kernel[:, None] if rows else kernel,
        image_size=_pair(spatial, rows),
        strides=_pair(layer.strides, rows),
        dilation=_pair(layer.dilation_rate, rows),
        padding=layer.padding if layer.padding in ("same", "valid") else None,
        groups=groups,
    )


def _pair(sizes: tuple[int, ...] | int, rows: bool) -> tuple[int, int]:
    values = (sizes,) if isinstance(sizes, int) else tuple(sizes)
    return (int(values[0]), 1 if rows else int(values[-1]))


_MAPS: dict[type, Callable[[Any, Shape, Shape], LinearMap]] = {
    keras.layers.Dense: _dense,
    keras.layers.Conv1D: _convolution,
    keras.layers.Conv2D: _convolution,
    GroupedConv2D: _convolution,
    keras.layers.DepthwiseConv1D: _depthwise,
    keras.layers.DepthwiseConv2D: _depthwise,
    keras.layers.SeparableConv1D: _separable,
    keras.layers.SeparableConv2D: _separable,
    keras.layers.Conv1DTranspose: _transposed,
    keras.layers.Conv2DTranspose: _transposed,
}
