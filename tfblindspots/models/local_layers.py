"""The layers of Le et al. (2012), "Building high-level features": local, pooling, normalisation."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

_register = keras.saving.register_keras_serializable(package="tfblindspots")
_Shape = tuple[int | None, ...]


def extract_patches(images: tf.Tensor, size: int, stride: int) -> tf.Tensor:
    """Every window of the images that lies inside them.

    Args:
      images: float32 [B, H, W, C], height and width static.
      size: height and width of a window, in pixels; at most H and W.
      stride: pixels from a window to the next.

    Returns:
      float32 [B, H', W', size * size * C], a window's values in row-major order, where
      H' = (H - size) // stride + 1 and W' likewise.
    """
    rows, columns = (_windows(side, size, stride) for side in images.shape[1:3])
    down, across = stride * (rows - 1) + 1, stride * (columns - 1) + 1
    # Slices rather than tf.image.extract_patches, whose gradient is slow on a CPU.
    parts = [
        images[:, row : row + down : stride, column : column + across : stride]
        for row in range(size)
        for column in range(size)
    ]
    return tf.concat(parts, axis=-1)


@_register
class LocallyConnected2D(keras.layers.Layer):
    """Linear filters with local receptive fields whose weights no two positions share.

    ``outputs[b, i, j] = patch(b, i, j) @ kernel[i, j] + bias[i, j]``, with the patches of
    ``extract_patches``. Keras 3 has no such layer.

    Attributes:
      filters: M, outputs at each position.
      kernel_size: height and width of a receptive field.
      strides: pixels from a position to the next.
      kernel: float32 [H', W', kernel_size * kernel_size * C, M].
      bias: float32 [H', W', M].
    """

    def __init__(self, filters: int, kernel_size: int, strides: int = 1, **options: Any) -> None:
        super().__init__(**options)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides

    def build(self, input_shape: _Shape) -> None:
        """Makes the weights for images [B, H, W, C]."""
        *grid, filters = self.compute_output_shape(input_shape)[1:]
        inputs = self.kernel_size**2 * input_shape[-1]  # type: ignore[operator]
        self.kernel = self.add_weight(
            shape=(*grid, inputs, filters), initializer="zeros", name="kernel"
        )
        self.bias = self.add_weight(shape=(*grid, filters), initializer="zeros", name="bias")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Filters float32 [B, H, W, C] to [B, H', W', M]."""
        patches = extract_patches(inputs, self.kernel_size, self.strides)
        kernel, bias = map(tf.convert_to_tensor, (self.kernel, self.bias))
        return tf.einsum("bhwd,hwdm->bhwm", patches, kernel) + bias

    def compute_output_shape(self, input_shape: _Shape) -> _Shape:
        """[B, H', W', M]."""
        grid = _grid(input_shape, self.kernel_size, self.strides)
        return (input_shape[0], *grid, self.filters)

    def get_config(self) -> dict[str, Any]:
        """The settings, for saving."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
        }


@_register
class L2Pooling2D(keras.layers.Layer):
    """``sqrt(epsilon + sum of squares)`` over a window of positions, map by map.

    ``epsilon`` lies inside the root, so that the gradient is finite, and 0, where all inputs are 0.

    Attributes:
      pool_size: height and width of the window.
      strides: positions from a window to the next.
      epsilon: above 0.
    """

    def __init__(self, pool_size: int, strides: int, epsilon: float = 1e-2, **options: Any) -> None:
        super().__init__(**options)
        self.pool_size = pool_size
        self.strides = strides
        self.epsilon = epsilon

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Pools float32 [B, H, W, M] to [B, H', W', M]."""
        means = tf.nn.avg_pool2d(tf.square(inputs), self.pool_size, self.strides, "VALID")
        return tf.sqrt(self.epsilon + self.pool_size**2 * means)

    def compute_output_shape(self, input_shape: _Shape) -> _Shape:
        """[B, H', W', M]."""
        grid = _grid(input_shape, self.pool_size, self.strides)
        return (input_shape[0], *grid, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """The settings, for saving."""
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "strides": self.strides,
            "epsilon": self.epsilon,
        }


@_register
class LocalContrastNormalization2D(keras.layers.Layer):
    """Subtracts the local mean and divides by the local standard deviation (Jarrett et al. 2009).

    Means are over a Gaussian window of positions and over all maps, the window cut off at the
    border: ``v = x - mean(x)``, ``outputs = v / max(floor, sqrt(mean(v^2)))``.

    Attributes:
      window_size: height and width of the window, odd; its standard deviation is a quarter of it.
      floor: smallest divisor, above 0, so that noise in flat places is not blown up.
    """

    def __init__(self, window_size: int, floor: float, **options: Any) -> None:
        super().__init__(**options)
        self.window_size = window_size
        self.floor = floor

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Normalises float32 [B, H, W, M]."""
        centred = inputs - self._local_mean(inputs)
        # The larger one is taken below the root, whose gradient at 0 would be infinite.
        variance = tf.maximum(self._local_mean(tf.square(centred)), self.floor**2)
        return centred * tf.math.rsqrt(variance)

    def deviation(self, inputs: tf.Tensor) -> tf.Tensor:
        """The local standard deviation: float32 [B, H, W, M] to [B, H, W, 1]."""
        return tf.sqrt(self._local_mean(tf.square(inputs - self._local_mean(inputs))))

    def _local_mean(self, values: tf.Tensor) -> tf.Tensor:
        """float32 [B, H, W, 1]."""
        offsets = np.arange(self.window_size) - self.window_size // 2
        window = np.exp(-0.5 * np.square(offsets / (self.window_size / 4)))
        window = tf.constant(np.outer(window, window)[..., None, None], tf.float32)
        means = tf.reduce_mean(values, axis=-1, keepdims=True)
        inside = tf.nn.conv2d(tf.ones_like(means[:1]), window, 1, "SAME")
        return tf.nn.conv2d(means, window, 1, "SAME") / inside

    def compute_output_shape(self, input_shape: _Shape) -> _Shape:
        """The shape stays."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The settings, for saving."""
        return {
            **super().get_config(),
            "window_size": self.window_size,
            "floor": self.floor,
        }


def _windows(side: int, size: int, stride: int) -> int:
    return (side - size) // stride + 1


def _grid(input_shape: _Shape, size: int, stride: int) -> tuple[int, int]:
    height, width = input_shape[1:3]
    assert height is not None and width is not None
    return _windows(height, size, stride), _windows(width, size, stride)
