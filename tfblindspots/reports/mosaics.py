"""Many small images as one, from plain arrays."""

import math

import numpy as np


def mosaic(images: np.ndarray, *, gap: int = 0) -> np.ndarray:
    """Lays images side by side in rows, first row first, as near to a square as they go.

    Args:
      images: [N, H, W, C] of any one type, N at least 1.
      gap: pixels between them; what is left over is 0, as the gaps are.

    Returns:
      [R * (H + gap) - gap, S * (W + gap) - gap, C], S the least whole number of at least sqrt(N).
    """
    count, height, width, channels = images.shape
    across = math.ceil(math.sqrt(count))
    down = math.ceil(count / across)
    tiles = np.zeros((down * across, height + gap, width + gap, channels), images.dtype)
    tiles[:count, :height, :width] = images
    rows = tiles.reshape(down, across, height + gap, width + gap, channels).swapaxes(1, 2)
    whole = rows.reshape(down * (height + gap), across * (width + gap), channels)
    return whole[: whole.shape[0] - gap, : whole.shape[1] - gap]


def enlarged(image: np.ndarray, side: int) -> np.ndarray:
    """Repeats each pixel of [H, W, C] until the shorter side would exceed ``side`` pixels."""
    times = max(1, side // min(image.shape[:2]))
    return image.repeat(times, axis=0).repeat(times, axis=1)


def weight_images(kernel: np.ndarray, image_shape: tuple[int, int, int]) -> np.ndarray | None:
    """The weights of a first layer as images, one a unit; grey is 0, each scaled by its largest.

    Args:
      kernel: of a dense layer on all pixels, [H * W * C, units], or of a convolution, [h, w, C,
        units].
      image_shape: H, W, C of what the network takes.

    Returns:
      float32 [units, h, w, C] in [0, 1]; None where they are no image: other axes, a single pixel,
      or other channels than 1 or 3.
    """
    if kernel.ndim == 2 and len(kernel) == math.prod(image_shape):
        kernel = kernel.reshape(*image_shape, -1)
    if kernel.ndim != 4 or kernel.shape[2] not in (1, 3) or kernel.shape[:2] == (1, 1):
        return None
    units = np.moveaxis(kernel, 3, 0).astype(np.float32)
    largest = np.abs(units).max(axis=(1, 2, 3), keepdims=True)
    return 0.5 + 0.5 * units / np.where(largest > 0, largest, 1)
