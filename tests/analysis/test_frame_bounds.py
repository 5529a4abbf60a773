"""Frame bounds against the explicit matrices of the layers."""

import re

import keras
import numpy as np
import pytest

from tfblindspots.analysis import convolution_bounds, dense_bounds
from tfblindspots.errors import InputError


def layer_matrix(layer: keras.Layer, shape: tuple[int, int, int]) -> np.ndarray:
    """The matrix of a linear layer: its answers to the unit vectors, a row each."""
    units = np.eye(np.prod(shape), dtype=np.float32).reshape(-1, *shape)
    return np.asarray(layer(units)).reshape(len(units), -1).astype(np.float64)


def torus_matrix(
    kernel: np.ndarray, size: list[int], strides: tuple[int, int], dilation: tuple[int, int]
) -> np.ndarray:
    """The matrix of a convolution on a torus, tap by tap: [inputs, outputs]."""
    channels, outputs = kernel.shape[2:]
    rows = [range(0, side, stride) for side, stride in zip(size, strides, strict=True)]
    matrix = np.zeros((*size, channels, len(rows[0]), len(rows[1]), outputs))
    for i, top in enumerate(rows[0]):
        for j, left in enumerate(rows[1]):
            for a in range(kernel.shape[0]):
                for b in range(kernel.shape[1]):
                    y, x = (top + a * dilation[0]) % size[0], (left + b * dilation[1]) % size[1]
                    matrix[y, x, :, i, j] += kernel[a, b]
    return matrix.reshape(size[0] * size[1] * channels, -1)


@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (5, 5), (1, 3)])
def test_dense_bounds_are_the_extreme_singular_values(shape: tuple[int, int]) -> None:
    kernel = np.random.default_rng(0).normal(size=shape)
    values = np.linalg.svd(kernel, compute_uv=False)
    lower = values.min() if shape[1] >= shape[0] else 0
    assert dense_bounds(kernel) == pytest.approx((lower, values.max()), rel=1e-9)


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("image_size", [(6, 7), (5, 8)])
def test_convolution_bounds_are_those_of_the_explicit_matrix(
    stride: int, kernel_size: int, image_size: tuple[int, int]
) -> None:
    generator = np.random.default_rng(kernel_size)
    kernel = generator.normal(size=(kernel_size, kernel_size, 2, 3))
    torus = [-(-(side + kernel_size - 1) // stride) * stride for side in image_size]
    matrix = torus_matrix(kernel, torus, (stride, stride), (1, 1))
    values = np.linalg.svd(matrix, compute_uv=False)
    lower = values.min() if matrix.shape[1] >= matrix.shape[0] else 0
    found = convolution_bounds(kernel, image_size, (stride, stride))
    assert found.upper == pytest.approx(values.max(), rel=1e-9)
    assert found.lower == pytest.approx(lower, rel=1e-7, abs=1e-9)


def test_strides_and_dilation_may_differ_by_axis() -> None:
    kernel = np.random.default_rng(3).normal(size=(3, 2, 1, 8))
    found = convolution_bounds(kernel, (5, 8), (2, 1), (1, 3))
    # Taps reach over 3 rows and 4 columns: sides 7, rounded up to 8, and 11.
    values = np.linalg.svd(torus_matrix(kernel, [8, 11], (2, 1), (1, 3)), compute_uv=False)
    assert found == pytest.approx((values.min(), values.max()), rel=1e-9)
    assert found.lower > 0


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (3, 1), (1, 2)])
def test_no_zero_padded_layer_is_above_its_bound(padding: str, stride: int, dilation: int) -> None:
    layer = keras.layers.Conv2D(
        4, 3, strides=stride, dilation_rate=dilation, padding=padding, use_bias=False
    )
    layer.build((None, 11, 8, 2))
    layer.kernel.assign(np.random.default_rng(5).normal(size=(3, 3, 2, 4)))
    norm = np.linalg.norm(layer_matrix(layer, (11, 8, 2)), 2)
    upper = convolution_bounds(
        layer.kernel.numpy(), (11, 8), (stride, stride), (dilation, dilation)
    ).upper
    # Below, and not by much: the image is larger than the kernel.
    assert 0.7 * upper < norm <= upper * (1 + 1e-5)


@pytest.mark.parametrize("groups", [2, 4])
def test_groups_are_a_kernel_with_zeros_between_them(groups: int) -> None:
    kernel = np.random.default_rng(7).normal(size=(3, 3, 4 // groups, 8))
    full = np.zeros((3, 3, 4, 8))
    for group in range(groups):
        inputs = slice(4 // groups * group, 4 // groups * (group + 1))
        outputs = slice(8 // groups * group, 8 // groups * (group + 1))
        full[:, :, inputs, outputs] = kernel[..., outputs]
    expected = convolution_bounds(full, (6, 6))
    assert convolution_bounds(kernel, (6, 6), groups=groups) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("outputs", [2, 9, 12])
def test_a_transposed_convolution_has_the_bounds_of_the_transposed_matrix(outputs: int) -> None:
    kernel = np.random.default_rng(1).normal(size=(3, 3, 2, outputs))
    matrix = torus_matrix(kernel, [8, 8], (2, 2), (1, 1)).T
    values = np.linalg.svd(matrix, compute_uv=False)
    lower = values.min() if matrix.shape[1] >= matrix.shape[0] else 0
    found = convolution_bounds(kernel, (6, 6), (2, 2), transposed=True)
    assert found == pytest.approx((lower, values.max()), rel=1e-7)


def test_many_frequencies_are_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = np.random.default_rng(2).normal(size=(3, 3, 2, 3))
    whole = convolution_bounds(kernel, (9, 8))
    monkeypatch.setattr("tfblindspots.analysis.frame_bounds._CHUNK", 100)
    assert convolution_bounds(kernel, (9, 8)) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dense_bounds(np.ones((2, 2, 2))), "a kernel has shape [2, 2, 2] or values"),
        (lambda: dense_bounds(np.array([[np.nan]])), "not finite; expected 2 axes"),
        (lambda: convolution_bounds(np.ones((3, 3)), (5, 5)), "expected 4 axes"),
        (
            lambda: convolution_bounds(np.ones((3, 3, 1, 1)), (5, 5), (0, 1)),
            "strides [0, 1], dilation [1, 1]; expected whole numbers of at least 1.",
        ),
    ],
)
def test_what_is_no_layer_is_refused(call: object, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        call()  # type: ignore[operator]
