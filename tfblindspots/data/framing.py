"""Brings images of any sizes to one: scaled, then cropped in the middle."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfblindspots.errors import InputError

# What ImageNet networks are usually tested with: short side 256, centre crop 224.
_MARGIN = 8 / 7


@dataclass(frozen=True)
class Framing:
    """What part of an image is taken, at what scale; the same for every image of that size.

    Attributes:
      image_size: height and width of what is taken, pixels.
      short_side: of the whole image after scaling, pixels. None enlarges an image no more than to
        fill ``image_size``, and reduces it to 8/7 of that: short side 256 for 224 x 224. An image
        that has the size is left as it is.

    Raises:
      InputError: a size is less than 1, or the short side less than the larger of height and width.
    """

    image_size: tuple[int, int]
    short_side: int | None = None

    def __post_init__(self) -> None:
        if len(self.image_size) != 2 or min(self.image_size) < 1:
            raise InputError(
                f"image_size is {self.image_size}; expected height and width of at least 1 pixel."
            )
        if self.short_side is not None and self.short_side < max(self.image_size):
            raise InputError(
                f"short_side {self.short_side} is less than {max(self.image_size)}, the larger of "
                f"image_size; expected at least that, since crops are taken from inside."
            )

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Scales (bilinear, antialiased) and crops images.

        Args:
          images: [N, h, w, C], of numbers in any range.

        Returns:
          [N, height, width, C]: float32, or of the dtype given where nothing needed scaling.
        """
        size = images.shape[1:3]
        height, width = self._scaled(size)
        if (height, width) != size:
            images = tf.image.resize(images, (height, width), antialias=True).numpy()
        top = (height - self.image_size[0]) // 2
        left = (width - self.image_size[1]) // 2
        return images[:, top : top + self.image_size[0], left : left + self.image_size[1]]

    def _scaled(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width after scaling, both at least those of the crop."""
        if self.short_side is None:
            fill = max(wanted / given for wanted, given in zip(self.image_size, size, strict=True))
            scale = min(max(1.0, fill), _MARGIN * fill)
        else:
            scale = self.short_side / min(size)
        height, width = (
            max(wanted, round(given * scale))
            for wanted, given in zip(self.image_size, size, strict=True)
        )
        return height, width
