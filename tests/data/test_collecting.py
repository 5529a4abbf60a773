"""Batches of any sizes and types become one array."""

import tracemalloc

import numpy as np
import pytest

from tfblindspots.data.collecting import collect_images
from tfblindspots.data.framing import Framing
from tfblindspots.errors import InputError


def _grey(value: int) -> np.ndarray:
    return np.full((1, 4, 4, 1), value, np.uint8)


_COLOURS = np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 2, 0]])
def test_grey_among_colour_gets_three_channels(order: list[int]) -> None:
    batches = [_grey(51), _grey(255), _COLOURS]
    found = collect_images("photos", [batches[i] for i in order], 3, Framing((4, 4)))
    expected = np.concatenate([np.broadcast_to(batches[i], (1, 4, 4, 3)) for i in order])
    np.testing.assert_array_equal(found, expected / np.float32(255))
    assert found.dtype == np.float32


def test_grey_alone_stays_grey() -> None:
    assert collect_images("photos", [_grey(1)], 1, Framing((4, 4))).shape == (1, 4, 4, 1)


def test_fewer_images_than_expected_leave_no_gap() -> None:
    assert collect_images("photos", [_grey(1), _grey(2)], 9, None).shape == (2, 4, 4, 1)


def test_scaled_images_stay_in_range() -> None:
    images = np.random.default_rng(0).integers(0, 2, (50, 9, 9, 3), np.uint8) * np.uint8(255)
    for batch in (images, (images / 255).astype(np.float64)):
        found = collect_images("extremes", [batch], 50, Framing((31, 31)))
        assert found.dtype == np.float32
        assert found.min() >= 0 and found.max() <= 1


@pytest.mark.parametrize(
    ("batches", "framing", "message"),
    [
        (
            [_grey(1), _COLOURS],
            None,
            r"^dataset photos has images of different sizes \(\(4, 4, 1\) and \(4, 4, 3\)\); exp",
        ),
        (
            [_COLOURS, np.zeros((1, 4, 4, 2), np.uint8)],
            Framing((4, 4)),
            "^dataset photos has images of 3 and of 2 channels; expected one number of channels",
        ),
        (
            [np.full((1, 4, 4, 1), np.nan, np.float32)],
            None,
            r"^dataset photos has float32 images from nan to nan; expected \[0, 1\], or uint8",
        ),
        (
            [np.full((1, 4, 4, 1), -0.1)],
            Framing((2, 2)),
            r"^dataset photos has float64 images from -0.1 to -0.1; expected \[0, 1\], or uint8",
        ),
    ],
)
def test_rejects(batches: list[np.ndarray], framing: Framing | None, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        collect_images("photos", batches, 2, framing)
    assert "\n" not in str(caught.value)


def test_holds_the_images_once() -> None:
    count, batch = 64, np.zeros((1, 64, 64, 3), np.uint8)
    tracemalloc.start()
    images = collect_images("photos", (batch for _ in range(count)), count, Framing((64, 64)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.2 * images.nbytes
