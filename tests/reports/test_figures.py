import io

import numpy as np
import pytest
from PIL import Image

from tfblindspots.reports import figures


def decode(data: bytes) -> np.ndarray:
    """uint8 [height, width, 4]."""
    image = Image.open(io.BytesIO(data))
    image.verify()
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))


def pairs(count: int, channels: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    original = generator.uniform(size=(count, 8, 8, channels)).astype(np.float32)
    adversarial = np.clip(original + generator.normal(0, 0.1, original.shape), 0, 1)
    return original, adversarial.astype(np.float32)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("count", [1, 4])
def test_examples_are_a_png_of_one_inch_images(count: int, channels: int) -> None:
    data = figures.png(figures.examples_figure(*pairs(count, channels), ["3 → 8"] * count))
    height, width, _ = decode(data).shape
    assert width == pytest.approx((1.75 + 1.06 * count) * figures.DPI, abs=1)
    assert height == pytest.approx(3.66 * figures.DPI, abs=1)


def test_pixels_keep_their_values() -> None:
    original, adversarial = pairs(1, 1)
    image = decode(figures.png(figures.examples_figure(original, adversarial, [""])))
    # The adversarial image's square: one inch, 0.03 above the bottom and 1 from the left.
    pixel = figures.DPI / 8
    for row, column in [(0, 0), (3, 5), (7, 7)]:
        x = figures.DPI + (column + 0.5) * pixel
        y = image.shape[0] - 0.03 * figures.DPI - (7 - row + 0.5) * pixel
        shown = image[int(y), int(x), 0] / 255
        assert shown == pytest.approx(adversarial[0, row, column, 0], abs=0.01)


def test_no_change_at_all_can_be_shown() -> None:
    original, _ = pairs(2, 1)
    assert figures.difference_range(original, original) == 1
    decode(figures.png(figures.examples_figure(original, original, ["", ""])))


def test_the_difference_is_symmetric_about_no_change() -> None:
    original = np.full((1, 2, 2, 1), 0.5, np.float32)
    adversarial = original + np.array([[0.1, -0.3], [0, 0.2]], np.float32).reshape(1, 2, 2, 1)
    assert figures.difference_range(original, adversarial) == pytest.approx(0.3)


def test_distortions_are_a_png_on_white() -> None:
    generator = np.random.default_rng(1)
    distortions = {f"network {i}": generator.gamma(8, 0.01 * (i + 1), 200) for i in range(9)}
    image = decode(figures.png(figures.distortions_figure(distortions, 1.0)))
    assert image.shape[:2] == (round(4.3 * figures.DPI), round(6.4 * figures.DPI))
    assert (image[[0, 0, -1, -1], [0, -1, 0, -1]] == 255).all()


@pytest.mark.parametrize("label", ["_hidden", "$broken_{", "a\nb", ""])
def test_labels_are_shown_as_they_are(label: str) -> None:
    figure = figures.distortions_figure({label: np.array([0.1, 0.2])}, 0.3)
    decode(figures.png(figure))
    (text,) = figure.axes[0].get_legend().get_texts()
    assert text.get_text() == f"0.150  {label}"


def test_captions_are_shown_as_they_are() -> None:
    decode(figures.png(figures.examples_figure(*pairs(1, 1), ["$x_{"])))


def test_the_same_figure_has_the_same_bytes() -> None:
    first, second = (
        figures.png(figures.examples_figure(*pairs(2, 1), ["a", "b"])) for _ in range(2)
    )
    assert first == second


def test_samples_are_drawn_by_the_seed_alone() -> None:
    positions = figures.sample_positions(1000, 10, seed=7)
    np.testing.assert_array_equal(positions, figures.sample_positions(1000, 10, seed=7))
    assert len(set(positions)) == 10
    assert (np.diff(positions) > 0).all()
    assert (positions != figures.sample_positions(1000, 10, seed=8)).any()
    np.testing.assert_array_equal(figures.sample_positions(3, 10, seed=7), [0, 1, 2])
