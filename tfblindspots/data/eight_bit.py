"""Images of 8 bits as floats, and floats as 8 bits."""

import numpy as np


def from_uint8(levels: np.ndarray) -> np.ndarray:
    """Images in [0, 1] of grey levels from 0 to 255: everywhere this one division.

    Args:
      levels: uint8, or a number of any type from 0 to 255, of any shape.

    Returns:
      float32 of the same shape.
    """
    return np.divide(levels, np.float32(255), dtype=np.float32)


def round_to_uint8(images: np.ndarray) -> np.ndarray:
    """The nearest grey levels of images in [0, 1], uint8 of the same shape."""
    return np.rint(np.float32(255) * images).astype(np.uint8)
