"""Images with their classes, and with what a network takes them for."""

import numpy as np
import pytest

from tfblindspots.reports.figures import INK
from tfblindspots.reports.prediction_figures import predictions_figure


@pytest.mark.parametrize("channels", [1, 3])
def test_wrong_ones_stand_out(channels: int) -> None:
    images = np.random.default_rng(0).random((11, 4, 5, channels), np.float32)
    labels = ["$one$", *"bcdefghijk"]
    predictions = [*labels[:-1], "two"]
    axes = predictions_figure(images, labels, predictions).axes
    assert [a.get_title() for a in axes] == [*labels[:-1], "k → two"]
    assert [a.title.get_color() == INK for a in axes] == [True] * 10 + [False]
    for image, a in zip(images, axes, strict=True):
        np.testing.assert_array_equal(a.images[0].get_array(), np.squeeze(image))
    # Eight in a row; the ninth begins the next, below the first.
    boxes = [a.get_position() for a in axes]
    assert boxes[8].x0 == pytest.approx(boxes[0].x0)
    assert boxes[8].y1 < boxes[0].y0
    assert all(0 <= box.x0 < box.x1 <= 1 and 0 <= box.y0 < box.y1 <= 1 for box in boxes)
