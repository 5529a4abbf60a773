"""Scaling and cropping, against TensorFlow's own crop, and by what each size becomes."""

import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.data.framing import Framing
from tfblindspots.errors import InputError


def _image(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (1, height, width, 3), np.uint8)


@pytest.mark.parametrize("size", [(256, 341), (300, 256), (256, 256)])
@pytest.mark.parametrize("short_side", [None, 256])
def test_the_short_side_that_an_image_has_means_only_a_crop(
    size: tuple[int, int], short_side: int | None
) -> None:
    images = _image(*size)
    found = Framing((227, 227), short_side)(images)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, tf.image.resize_with_crop_or_pad(images, 227, 227))


@pytest.mark.parametrize(
    ("size", "image_size", "scaled"),
    [
        ((375, 500), (224, 224), (256, 341)),  # ImageNet's usual
        ((500, 400), (224, 224), (320, 256)),
        ((240, 300), (224, 224), (240, 300)),  # between the two: left as it is
        ((224, 224), (224, 224), (224, 224)),
        ((32, 32), (64, 64), (64, 64)),  # small ones are enlarged, no more than needed
        ((28, 20), (32, 32), (45, 32)),
        ((100, 200), (50, 100), (57, 114)),
        ((100, 200), (100, 200), (100, 200)),
        ((100, 100), (50, 100), (100, 100)),
        ((1000, 3), (8, 8), (2667, 8)),
    ],
)
def test_scales_by_default(
    size: tuple[int, int], image_size: tuple[int, int], scaled: tuple[int, int]
) -> None:
    images = _image(*size)
    whole = images if size == scaled else tf.image.resize(images, scaled, antialias=True)
    expected = tf.image.resize_with_crop_or_pad(whole, *image_size)
    np.testing.assert_array_equal(Framing(image_size)(images), expected)


def test_a_short_side_of_ones_own() -> None:
    images = _image(30, 45)
    whole = tf.image.resize(images, (20, 30), antialias=True)
    np.testing.assert_array_equal(Framing((20, 20), 20)(images), whole[:, :, 5:25])


def test_halving_averages() -> None:
    """A linear ramp stays one: antialiasing is a weighted mean, at every scale."""
    ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32)[:, None, None], (1, 1, 64, 1))
    ramp = np.broadcast_to(ramp[0][None], (1, 64, 64, 1))
    found = Framing((16, 16), 16)(ramp)[0, 1:-1, :, 0]
    expected = np.linspace(0, 1, 64).reshape(16, 4).mean(axis=1)[1:-1]
    np.testing.assert_allclose(found, np.tile(expected[:, None], 16), atol=1e-5)


@pytest.mark.parametrize(
    ("image_size", "short_side", "message"),
    [
        ((0, 5), None, r"image_size is \(0, 5\); expected height and width of at least 1 pixel"),
        ((5,), None, r"image_size is \(5,\); expected height and width"),
        ((5, 9), 8, "short_side 8 is less than 9, the larger of image_size; expected at least"),
    ],
)
def test_rejects_sizes(image_size: tuple[int, int], short_side: int | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Framing(image_size, short_side)
