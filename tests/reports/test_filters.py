"""The picture of filters shows each as its weights say."""

import numpy as np

from tfblindspots.reports.filters import filters_figure


def test_each_filter_is_shown_from_its_own_position() -> None:
    random = np.random.default_rng(0)
    kernel = random.normal(size=(3, 4, 2 * 2 * 3, 5)).astype(np.float32)
    kernel[1, 2, :, 3] = 0
    figure = filters_figure(kernel, 2)
    shown = [axes.get_images()[0].get_array() for axes in figure.axes]
    # 5 maps at the position (1, 2), then 2 rows of maps at (1, 2) and (1, 3).
    assert len(shown) == 5 + 2 * 2
    expected = [(1, 2, number) for number in range(5)]
    expected += [(1, column, number) for number in range(2) for column in (2, 3)]
    for image, (row, column, number) in zip(shown, expected, strict=True):
        weights = kernel[row, column, :, number].reshape(2, 2, 3)
        scale = np.abs(weights).max() or 1
        np.testing.assert_allclose(image, 0.5 + 0.5 * weights / scale, atol=1e-6)


def test_grey_filters_are_drawn_grey() -> None:
    figure = filters_figure(np.ones((1, 1, 4, 1), np.float32), 2)
    assert figure.axes[0].get_images()[0].get_array().shape == (2, 2)
