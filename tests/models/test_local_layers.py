"""The layers of a QuocNet against loops, explicit matrices, SciPy and finite differences."""

import itertools
from pathlib import Path

import keras
import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from tfblindspots.models import (
    L2Pooling2D,
    LocalContrastNormalization2D,
    LocallyConnected2D,
    extract_patches,
)

_RANDOM = np.random.default_rng(0)
_IMAGES = _RANDOM.normal(size=(2, 7, 6, 3)).astype(np.float32)


def _layers() -> list[keras.layers.Layer]:
    return [
        LocallyConnected2D(4, 3, 2),
        L2Pooling2D(2, 1),
        LocalContrastNormalization2D(3, 0.1),
    ]


@pytest.mark.parametrize(("size", "stride"), [(1, 1), (3, 1), (3, 2), (6, 1), (2, 3)])
def test_patches_are_windows_in_row_major_order(size: int, stride: int) -> None:
    windows = np.lib.stride_tricks.sliding_window_view(_IMAGES, (size, size), axis=(1, 2))
    expected = np.moveaxis(windows[:, ::stride, ::stride], 3, -1)
    found = extract_patches(tf.constant(_IMAGES), size, stride).numpy()
    np.testing.assert_array_equal(found, expected.reshape(*expected.shape[:3], -1))


def test_local_filters_are_a_matrix_that_shares_no_weights() -> None:
    layer = LocallyConnected2D(4, 3, 2)
    layer.build((None, 7, 6, 3))
    assert layer.kernel.shape == (3, 2, 27, 4)
    kernel, bias = (
        _RANDOM.normal(size=weight.shape).astype(np.float32) for weight in layer.weights
    )
    layer.set_weights([kernel, bias])
    matrix = np.zeros((3, 2, 4, 7, 6, 3))
    for i, j in itertools.product(range(3), range(2)):
        window = kernel[i, j].T.reshape(4, 3, 3, 3)
        matrix[i, j, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3] = window
    expected = np.einsum("ijmhwc,bhwc->bijm", matrix, _IMAGES) + bias
    np.testing.assert_allclose(layer(_IMAGES), expected, atol=1e-5)
    assert layer.compute_output_shape((None, 7, 6, 3)) == (None, 3, 2, 4)


@pytest.mark.parametrize(("size", "stride"), [(2, 1), (2, 2), (3, 2)])
def test_pools_are_roots_of_sums_of_squares(size: int, stride: int) -> None:
    layer = L2Pooling2D(size, stride, epsilon=0.5)
    found = layer(_IMAGES).numpy()
    assert layer.compute_output_shape(_IMAGES.shape) == found.shape
    for i, j in np.ndindex(*found.shape[1:3]):
        window = _IMAGES[:, stride * i : stride * i + size, stride * j : stride * j + size]
        expected = np.sqrt(0.5 + np.square(window).sum(axis=(1, 2)))
        np.testing.assert_allclose(found[:, i, j], expected, rtol=1e-5)


@pytest.mark.parametrize("floor", [0.05, 0.9])
def test_contrast_is_normalised_as_scipy_says(floor: float) -> None:
    layer = LocalContrastNormalization2D(5, floor)
    across = np.exp(-0.5 * np.square(np.arange(-2, 3) / 1.25))
    window = np.outer(across, across)

    def mean(values: np.ndarray) -> np.ndarray:
        sums = [
            scipy.ndimage.correlate(image, window, mode="constant") for image in values.mean(axis=3)
        ]
        inside = scipy.ndimage.correlate(np.ones((7, 6)), window, mode="constant")
        return (np.stack(sums) / inside)[..., None]

    centred = _IMAGES - mean(_IMAGES)
    deviation = np.sqrt(mean(centred**2))
    np.testing.assert_allclose(layer.deviation(_IMAGES), deviation, rtol=1e-4)
    np.testing.assert_allclose(layer(_IMAGES), centred / np.maximum(deviation, floor), atol=1e-5)
    assert (deviation > floor).any() and (floor == 0.05 or (deviation < floor).any())


@pytest.mark.parametrize("layer", _layers(), ids=lambda layer: layer.name)
def test_gradients_are_those_of_finite_differences(layer: keras.layers.Layer) -> None:
    layer.build((None, 7, 6, 3))
    layer.set_weights([_RANDOM.normal(size=weight.shape) for weight in layer.weights])
    images = tf.constant(_IMAGES)
    outputs = layer(images)
    readout = tf.constant(_RANDOM.normal(size=outputs.shape), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(images)
        value = tf.reduce_sum(readout * layer(images))
    gradient = tape.gradient(value, images).numpy()
    direction = _RANDOM.normal(size=_IMAGES.shape).astype(np.float32)
    step = 1e-3
    ahead, behind = (layer(_IMAGES + sign * step * direction) for sign in (1, -1))
    slope = np.sum(readout * (ahead - behind)) / (2 * step)
    assert np.sum(gradient * direction) == pytest.approx(slope, rel=1e-2, abs=1e-2)


@pytest.mark.parametrize("layer", _layers()[1:], ids=lambda layer: layer.name)
def test_gradients_are_finite_where_nothing_varies(layer: keras.layers.Layer) -> None:
    images = tf.zeros((1, 5, 5, 2))
    with tf.GradientTape() as tape:
        tape.watch(images)
        value = tf.reduce_sum(layer(images))
    assert np.isfinite(value)
    assert np.isfinite(tape.gradient(value, images)).all()


def test_layers_are_saved_with_their_settings(tmp_path: Path) -> None:
    images = keras.Input((7, 6, 3))
    values = images
    for layer in _layers():
        values = layer(values)
    model = keras.Model(images, values)
    model.set_weights([_RANDOM.normal(size=weight.shape) for weight in model.weights])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(_IMAGES), model(_IMAGES))
