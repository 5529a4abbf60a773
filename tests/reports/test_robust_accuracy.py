"""The plot draws the steps as they are, and shows every label."""

import io
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from tfblindspots.reports import figures
from tfblindspots.reports.robust_accuracy import (
    largest_shown_radius,
    robust_accuracy_figure,
    round_radii,
)


def _curve(name: str = "a", **replaced: Any) -> dict[str, Any]:
    return {
        "name": name,
        "open": 1,
        "median_radius": 0.5,
        "radii": [0.0, 0.5, 2.0],
        "upper": [1.0, 0.5, 0.25],
        "lower": [0.75, 0.25, 0.25],
        **replaced,
    }


def test_steps_are_drawn_exactly_to_the_end_of_the_axis() -> None:
    axes = robust_accuracy_figure([_curve(), _curve("b", radii=[0.0, 1.0, 4.0])]).axes[0]
    lower, first, _, second = axes.get_lines()
    assert {line.get_drawstyle() for line in axes.get_lines()} == {"steps-post"}
    end = axes.get_xlim()[1]
    assert end == pytest.approx(4.08)
    assert_array_equal(first.get_xydata(), [[0, 1], [0.5, 0.5], [2, 0.25], [end, 0.25]])
    assert_array_equal(lower.get_xydata(), [[0, 0.75], [0.5, 0.25], [2, 0.25], [end, 0.25]])
    assert_array_equal(second.get_xydata(), [[0, 1], [1, 0.5], [4, 0.25], [end, 0.25]])
    assert first.get_color() == lower.get_color() != second.get_color()
    assert first.get_linestyle() != second.get_linestyle()
    assert "upper bound" in axes.get_ylabel()


def test_the_band_is_between_the_edges() -> None:
    (band,) = robust_accuracy_figure([_curve()]).axes[0].collections
    path = band.get_paths()[0]
    for radius, low, high in [(0.1, 0.75, 1), (0.4, 0.75, 1), (0.6, 0.25, 0.5), (1.9, 0.25, 0.5)]:
        assert path.contains_point((radius, (low + high) / 2))
        assert path.contains_point((radius, low + 0.01))
        assert path.contains_point((radius, high - 0.01))
        assert not path.contains_point((radius, low - 0.01))
        assert not path.contains_point((radius, high + 0.01))


def test_the_legend_explains_the_band_only_where_there_is_one() -> None:
    closed = _curve("b", open=0, lower=[1.0, 0.5, 0.25], median_radius=None)
    for curves, count in (([_curve(), closed], 3), ([closed], 1)):
        figure = robust_accuracy_figure(curves)
        texts = [text.get_text() for text in figure.legends[0].get_texts()]
        assert len(texts) == count
        assert len(figure.axes[0].collections) == count // 2
        assert "–  b" in texts
    assert texts == ["–  b"]


@pytest.mark.parametrize("name", ["_hidden", "$broken_{", "", "a/long/path" * 12])
def test_names_are_shown_as_they_are(name: str) -> None:
    figure = robust_accuracy_figure([_curve(name), _curve("other")])
    image = np.asarray(Image.open(io.BytesIO(figures.png(figure))).convert("RGB"))
    assert figure.legends[0].get_texts()[0].get_text() == f"0.500  {name}"
    assert (image[[0, 0, -1, -1], [0, -1, 0, -1]] == 255).all()


def test_many_curves_leave_the_plot_its_room() -> None:
    one, many = (robust_accuracy_figure([_curve(str(i)) for i in range(n)]) for n in (1, 15))
    heights = []
    for figure in (one, many):
        figures.png(figure)
        heights.append(figure.axes[0].get_window_extent().height)
    assert heights[1] == pytest.approx(heights[0], rel=0.05)


def test_a_few_far_images_do_not_squeeze_the_others() -> None:
    radii = [*np.linspace(0, 1, 10000), 500.0]
    assert largest_shown_radius([_curve(radii=radii)]) == pytest.approx(1.02, rel=0.01)
    assert largest_shown_radius([_curve(radii=radii[:100])]) >= radii[99]


def test_radii_to_print_are_round() -> None:
    assert round_radii([_curve(), _curve(radii=[0.0, 0.7])]) == [0, 0.5, 1, 1.5, 2]
    assert round_radii([_curve(radii=[0.0, 0.035])]) == [
        *(0, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035)
    ]


def test_nothing_falls_above_0() -> None:
    curve = _curve(radii=[0.0], upper=[1.0], lower=[0.0], median_radius=None)
    assert largest_shown_radius([curve]) == 1
    figures.png(robust_accuracy_figure([curve]))
