"""Many images as one."""

import numpy as np
import pytest

from tfblindspots.reports.mosaics import enlarged, mosaic, weight_images


@pytest.mark.parametrize(("count", "across"), [(1, 1), (4, 2), (5, 3), (7, 3), (10, 4)])
@pytest.mark.parametrize("gap", [0, 2])
def test_image_k_is_in_row_k_over_across(count: int, across: int, gap: int) -> None:
    images = np.random.default_rng(0).integers(1, 255, (count, 3, 4, 2), np.uint8)
    whole = mosaic(images, gap=gap)
    down = -(-count // across)
    assert whole.dtype == np.uint8
    assert whole.shape == (down * (3 + gap) - gap, across * (4 + gap) - gap, 2)
    for k, image in enumerate(images):
        top, left = k // across * (3 + gap), k % across * (4 + gap)
        np.testing.assert_array_equal(whole[top : top + 3, left : left + 4], image)
        whole[top : top + 3, left : left + 4] = 0
    assert not whole.any()


def test_enlarged_repeats_pixels() -> None:
    image = np.arange(6).reshape(2, 3, 1)
    larger = enlarged(image, 5)
    assert larger.shape == (4, 6, 1)
    np.testing.assert_array_equal(larger[::2, ::2], image)
    np.testing.assert_array_equal(larger[1::2, 1::2], image)
    assert enlarged(image, 1) is not None and enlarged(image, 1).shape == image.shape


def test_weights_of_a_dense_layer_on_pixels() -> None:
    kernel = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)
    kernel[:, 3] = 0
    images = weight_images(kernel, (2, 2, 3))
    assert images is not None and images.shape == (5, 2, 2, 3)
    for unit in range(5):
        largest = np.abs(kernel[:, unit]).max() or 1
        np.testing.assert_allclose(
            2 * images[unit].ravel() - 1, kernel[:, unit] / largest, atol=1e-6
        )
    assert (images[3] == 0.5).all()


def test_weights_of_a_convolution() -> None:
    kernel = np.random.default_rng(0).normal(size=(5, 4, 1, 6)).astype(np.float32)
    images = weight_images(kernel, (8, 8, 1))
    assert images is not None and images.shape == (6, 5, 4, 1)
    expected = kernel[2, 3, 0, 4] / np.abs(kernel[..., 4]).max()
    assert 2 * images[4, 2, 3, 0] - 1 == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("shape", [(7, 5), (1, 1, 3, 5), (3, 3, 2, 5), (5,)])
def test_other_weights_are_no_images(shape: tuple[int, ...]) -> None:
    assert weight_images(np.ones(shape, np.float32), (2, 2, 3)) is None
