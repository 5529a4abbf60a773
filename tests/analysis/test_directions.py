"""Directions against closed forms, top images against sorting all scores at once."""

import numpy as np
import pytest

from tfblindspots.analysis import (
    moving_units,
    random_directions,
    top_images,
    unit_directions,
    whitened_directions,
)
from tfblindspots.errors import InputError


def _flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(1).random((1203, 2, 3, 1), np.float32)


def test_units_are_the_natural_basis(images: np.ndarray) -> None:
    directions = unit_directions(np.array([4, 0]), 6)
    np.testing.assert_array_equal(directions, np.eye(6)[[4, 0]])
    top = top_images(_flat, images, directions, 3)
    np.testing.assert_array_equal(top[0], np.argsort(-_flat(images)[:, 4])[:3])


def test_random_directions_are_uniform_on_the_sphere() -> None:
    directions = random_directions(20_000, 3, seed=5)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(directions.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(directions.T @ directions / 20_000, np.eye(3) / 3, atol=0.01)
    np.testing.assert_array_equal(directions, random_directions(20_000, 3, seed=5))
    assert not np.array_equal(directions[:3], random_directions(3, 3, seed=6))


def test_whitened_directions_see_every_component_alike() -> None:
    """Along them the scores of strongly correlated activations vary with a ratio of about 1."""
    generator = np.random.default_rng(0)
    mixing = generator.normal(size=(5, 5)) @ np.diag([10.0, 3.0, 1.0, 0.3, 0.1])
    data = (generator.normal(size=(1500, 5)) @ mixing.T).astype(np.float32)
    directions = whitened_directions(lambda x: x, data, 4000, seed=0)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, rtol=1e-5)
    # A direction v is g whitened: L^(1/2) U' v is g up to its length, so isotropic.
    values, vectors = np.linalg.eigh(np.cov(data.T))
    back = directions @ vectors * np.sqrt(values)
    back /= np.linalg.norm(back, axis=1, keepdims=True)
    np.testing.assert_allclose(back.T @ back / len(back), np.eye(5) / 5, atol=0.02)


def test_whitening_leaves_out_what_does_not_vary(images: np.ndarray) -> None:
    constant = np.concatenate([_flat(images), np.ones((len(images), 2), np.float32)], axis=1)
    directions = whitened_directions(lambda x: x, constant, 50, seed=0)
    np.testing.assert_allclose(directions[:, 6:], 0, atol=1e-5)


def test_units_move_where_enough_images_raise_them(images: np.ndarray) -> None:
    values = np.zeros((1203, 4), np.float32)
    values[:, 0] = _flat(images)[:, 0]
    values[[3, 700, 1200], 1] = 1  # in three batches
    values[[5, 6], 2] = 2

    def activations(batch: np.ndarray) -> np.ndarray:
        return values[batch[:, 0]]

    rows = np.arange(1203)[:, None]
    np.testing.assert_array_equal(moving_units(activations, rows, 3), [0, 1])
    np.testing.assert_array_equal(moving_units(activations, rows, 2), [0, 1, 2])


def test_top_images_are_those_of_a_full_sort(images: np.ndarray) -> None:
    """1,203 images are three batches, the last of 203."""
    directions = random_directions(7, 6, seed=2)
    scores = _flat(images) @ directions.T
    expected = np.argsort(-scores, axis=0, kind="stable")[:10].T
    np.testing.assert_array_equal(top_images(_flat, images, directions, 10), expected)


def test_of_equals_the_earlier_comes_first(images: np.ndarray) -> None:
    same = np.repeat(images[:1], 1100, axis=0)
    top = top_images(_flat, same, random_directions(2, 6, seed=0), 4)
    np.testing.assert_array_equal(top, [[0, 1, 2, 3]] * 2)


@pytest.mark.parametrize("count", [0, 6])
def test_fewer_images_than_asked_for(images: np.ndarray, count: int) -> None:
    with pytest.raises(InputError, match=f"the top {count} images of 5 were asked for"):
        top_images(_flat, images[:5], random_directions(2, 6, seed=0), count)
