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


def squares(figure: figures.Figure, count: int) -> np.ndarray:
    """What the axes of the images show, [3, count, H, W, C]."""
    shown = [axes.get_images()[0].get_array().data for axes in figure.axes[: 3 * count]]
    return np.stack(shown).reshape(3, count, *shown[0].shape)


@pytest.mark.parametrize("absolute", [False, True])
def test_magnified_differences_are_the_papers(absolute: bool) -> None:
    original = np.full((2, 3, 3, 3), 100 / 255, np.float32)
    change = np.zeros_like(original)  # in grey levels of 255
    change[0, 0, 0] = (1, -2, 30)
    change[1, 2, 1] = (-12, 12.7, -13)
    adversarial = original + change / np.float32(255)
    figure = figures.examples_figure(
        original, adversarial, ["", ""], magnified=figures.Magnified(10, absolute)
    )
    expected = np.abs(10 * change) if absolute else 10 * change + 128
    rows = squares(figure, 2)
    np.testing.assert_allclose(255 * rows[1], np.clip(expected, 0, 255), atol=1e-3)
    np.testing.assert_allclose(rows[0], original)
    np.testing.assert_allclose(rows[2], adversarial)
    label = figure.axes[2].get_ylabel()
    assert label == ("|difference|\n× 10" if absolute else "difference\n× 10")


def test_magnified_grey_images_have_no_scale() -> None:
    original, adversarial = pairs(2, 1)
    magnified = figures.Magnified(3)
    figure = figures.examples_figure(original, adversarial, ["", ""], magnified=magnified)
    assert len(figure.axes) == 6
    expected = np.clip(3 * (adversarial - original) + 128 / 255, 0, 1)[..., 0]
    np.testing.assert_allclose(squares(figure, 2)[1], expected, atol=1e-6)


def test_photos_are_larger_and_jpegs_keep_their_values() -> None:
    photo = np.full((1, 120, 120, 3), (0.9, 0.2, 0.4), np.float32)
    data = figures.jpeg(
        figures.examples_figure(photo, photo, ["a\n→ b\n1"], magnified=figures.Magnified())
    )
    assert data.startswith(b"\xff\xd8")
    image = decode(data)
    assert image.shape[1] == pytest.approx((1.06 + 1.46) * figures.DPI, abs=1)
    middle = round(1.7 * figures.DPI)
    column = image[:, middle, :3].astype(float)
    for expected in ((0.9, 0.2, 0.4), (128 / 255,) * 3):
        near = np.abs(column - 255 * np.array(expected)).max(axis=1) < 4
        assert near.sum() > 1.3 * figures.DPI
