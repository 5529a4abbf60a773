"""Lipschitz constants of activations, pooling and other layers without a kernel.

A function's Lipschitz constant is the least L with ||f(x) - f(y)|| <= L ||x - y||.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tfblindspots.models import LocalResponseNormalization

Shape = tuple[int, ...]

# The largest slope of each; softmax: the largest eigenvalue of diag(p) - p p^T, at p = (1/2, 1/2).
_ACTIVATIONS: dict[str, float] = {
    "linear": 1.0,
    "relu": 1.0,
    "relu6": 1.0,
    "sigmoid": 0.25,
    "tanh": 1.0,
    "softmax": 0.5,
    "softplus": 1.0,
    "softsign": 1.0,
    "elu": 1.0,
    "selu": 1.0507009873554805 * 1.6732632423543772,
    "leaky_relu": 1.0,
    "log_sigmoid": 1.0,
    "hard_sigmoid": 1 / 6,
    "hard_tanh": 1.0,
    "hard_silu": 1.5,
    "hard_swish": 1.5,
    # The derivatives are largest at x = 2.3994 and at x = sqrt(2).
    "silu": 1.0998394,
    "swish": 1.0998394,
    "gelu": 1.128905,
}
# They leave vectors as long as they are, or cut them, and at inference do nothing else.
_ONES = (
    keras.layers.InputLayer,
    keras.layers.Identity,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Permute,
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.ActivityRegularization,
    keras.layers.ZeroPadding1D,
    keras.layers.ZeroPadding2D,
    keras.layers.Cropping1D,
    keras.layers.Cropping2D,
    keras.layers.RandomFlip,
    keras.layers.RandomTranslation,
    keras.layers.RandomRotation,
    keras.layers.RandomZoom,
    keras.layers.RandomContrast,
    keras.layers.RandomBrightness,
    keras.layers.GlobalMaxPooling1D,
    keras.layers.GlobalMaxPooling2D,
)


def activation_constant(activation: Any) -> float | None:
    """The Lipschitz constant of an activation function; None where it is not known.

    Args:
      activation: a function of ``keras.activations``, with its default parameters; or None, for no
        activation.
    """
    if activation is None:
        return 1.0
    name = getattr(activation, "__name__", "")
    known = activation is getattr(keras.activations, name, None)
    return named_activation_constant(name) if known else None


def named_activation_constant(name: str) -> float | None:
    """The same by the name that Keras has for it, such as ``"relu"``."""
    return _ACTIVATIONS.get(name)


def layer_constant(layer: keras.Operation, input_shape: Shape, output_shape: Shape) -> float | None:
    """The Lipschitz constant of a layer of one input and without a kernel, or a bound of it.

    Args:
      layer: built.
      input_shape: of its input, without the batch.
      output_shape: of its output, without the batch.

    Returns:
      None where the layer has no constant or none that is known here.
    """
    if type(layer) in _ONES:
        return 1.0
    make = _CONSTANTS.get(type(layer))
    return make(layer, input_shape, output_shape) if make else None


def normalization_factors(layer: keras.layers.BatchNormalization) -> np.ndarray:
    """What batch normalisation multiplies each channel by at inference, float [C]."""
    variance = as_array(layer.moving_variance)
    scale = as_array(layer.gamma) if layer.scale else np.ones_like(variance)
    return scale / np.sqrt(variance + layer.epsilon)


def _batch_normalization(layer: Any, _: Shape, __: Shape) -> float:
    return float(np.abs(normalization_factors(layer)).max())


def _normalization(layer: Any, _: Shape, __: Shape) -> float | None:
    # x - mean over sqrt(variance), or the other way round.
    deviation = np.maximum(np.sqrt(as_array(layer.variance)), keras.config.epsilon())
    return float(deviation.max() if layer.invert else (1 / deviation).max())


def _rescaling(layer: Any, _: Shape, __: Shape) -> float:
    return float(np.abs(np.asarray(layer.scale, np.float64)).max())


def _activation(layer: Any, _: Shape, __: Shape) -> float | None:
    return activation_constant(layer.activation)


def _relu(layer: Any, _: Shape, __: Shape) -> float | None:
    # With a threshold above 0 it jumps.
    return None if layer.threshold else max(1.0, abs(float(layer.negative_slope)))


def _softmax(layer: Any, _: Shape, __: Shape) -> float | None:
    return _ACTIVATIONS["softmax"] if isinstance(layer.axis, int) else None


def _leaky_relu(layer: Any, _: Shape, __: Shape) -> float:
    return max(1.0, abs(float(layer.negative_slope)))


def _elu(layer: Any, _: Shape, __: Shape) -> float:
    return max(1.0, abs(float(layer.alpha)))


def _prelu(layer: Any, _: Shape, __: Shape) -> float:
    return max(1.0, float(np.abs(as_array(layer.alpha)).max()))


def _local_response_normalization(layer: Any, _: Shape, __: Shape) -> float:
    """A bound, from the derivatives of x_i s_i^-beta, s_i = bias + alpha sum x_j^2.

    By x_i they lie within bias^-beta of 0 (if beta is at most 1), as alpha x_i^2 <= s_i - bias. By
    another x_j: alpha beta 2 |x_i x_j| s_i^(-beta - 1) <= beta (s_i - bias) s_i^(-beta - 1), which
    is largest at s_i = bias (1 + 1 / beta). The matrix of the derivatives is the sum of its
    diagonals, of which 2 depth_radius have such others, and no norm of theirs exceeds their largest
    entry.
    """
    bias, beta = layer.bias, layer.beta
    own = bias**-beta * max(1.0, 2 * beta - 1)
    other = bias**-beta * (beta / (1 + beta)) ** (1 + beta)
    return own + 2 * layer.depth_radius * other


def _max_pooling(layer: Any, shape: Shape, output_shape: Shape) -> float:
    # A pixel that is the largest of several windows appears in each of their answers.
    _, after = _spatial(layer, shape), _spatial(layer, output_shape)
    windows = [
        min(math.ceil(size / stride), count)
        for size, stride, count in zip(layer.pool_size, layer.strides, after, strict=True)
    ]
    return math.sqrt(math.prod(windows))


def _average_pooling(layer: Any, shape: Shape, output_shape: Shape) -> float:
    # Along each axis it is a matrix; the layer is their Kronecker product, padding included, since
    # pixels outside do not count.
    before, after = _spatial(layer, shape), _spatial(layer, output_shape)
    sizes = zip(before, after, layer.pool_size, layer.strides, strict=True)
    return math.prod(float(np.linalg.norm(_averages(*axis, layer.padding), 2)) for axis in sizes)


def _averages(before: int, after: int, size: int, stride: int, padding: str) -> np.ndarray:
    """The matrix [after, before] of average pooling along one axis."""
    outside = max((after - 1) * stride + size - before, 0) // 2 if padding == "same" else 0
    starts = np.arange(after)[:, None] * stride - outside
    inside = (np.arange(before) >= starts) & (np.arange(before) < starts + size)
    return inside / inside.sum(axis=1, keepdims=True)


def _global_average_pooling(layer: Any, shape: Shape, _: Shape) -> float:
    return 1 / math.sqrt(math.prod(_spatial(layer, shape)))


def _up_sampling(layer: Any, _: Shape, __: Shape) -> float | None:
    if getattr(layer, "interpolation", "nearest") != "nearest":
        return None
    return math.sqrt(np.prod(layer.size))


def _spatial(layer: Any, shape: Shape) -> Shape:
    return shape[1:] if layer.data_format == "channels_first" else shape[:-1]


def as_array(variable: Any) -> np.ndarray:
    """A Keras variable's value, float64."""
    return np.asarray(keras.ops.convert_to_numpy(variable), np.float64)


_CONSTANTS: dict[type, Callable[[Any, Shape, Shape], float | None]] = {
    keras.layers.BatchNormalization: _batch_normalization,
    keras.layers.Normalization: _normalization,
    keras.layers.Rescaling: _rescaling,
    keras.layers.Activation: _activation,
    keras.layers.ReLU: _relu,
    keras.layers.LeakyReLU: _leaky_relu,
    keras.layers.ELU: _elu,
    keras.layers.PReLU: _prelu,
    keras.layers.Softmax: _softmax,
    LocalResponseNormalization: _local_response_normalization,
    keras.layers.MaxPooling1D: _max_pooling,
    keras.layers.MaxPooling2D: _max_pooling,
    keras.layers.AveragePooling1D: _average_pooling,
    keras.layers.AveragePooling2D: _average_pooling,
    keras.layers.GlobalAveragePooling1D: _global_average_pooling,
    keras.layers.GlobalAveragePooling2D: _global_average_pooling,
    keras.layers.UpSampling1D: _up_sampling,
    keras.layers.UpSampling2D: _up_sampling,
}
