"""Frame bounds of linear layers: between which factors they change a distance (section 4.3, E6).

For a linear map W, A ||x|| <= ||W x|| <= B ||x||, where A and B are its extreme singular values.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tfblindspots.errors import InputError

# Matrices are decomposed so many numbers at a time, which bounds the memory.
_CHUNK = 1 << 24


class FrameBounds(NamedTuple):
    """The factors between which a linear map changes the length of a vector."""

    lower: float  # A; 0 where the map has a kernel. Of a convolution: without an image's border
    upper: float  # B


def dense_bounds(kernel: np.ndarray) -> FrameBounds:
    """The bounds of a dense layer.

    Args:
      kernel: float [n, m], from n inputs to m units.

    Raises:
      InputError: the kernel is not of that rank or not finite.
    """
    _check(kernel, 2)
    inputs, units = kernel.shape
    squares = _squares(kernel.astype(np.float64))
    return FrameBounds(0.0 if units < inputs else _root(squares[0]), _root(squares[-1]))


def convolution_bounds(
    kernel: np.ndarray,
    image_size: Sequence[int],
    strides: Sequence[int] = (1, 1),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
    transposed: bool = False,
) -> FrameBounds:
    """The bounds of a convolution on a torus into which the image and its padding fit.

    On a torus whose sides are multiples of the strides the convolution takes each phase of its
    input, which is every s-th pixel, through a convolution of its own and adds them up. Fourier
    transforms make of it one matrix a frequency, of F outputs and C s^2 inputs, and the bounds are
    the extreme singular values over all of them (paper, section 4.3; Parseval's theorem).

    The torus is so large that nothing wraps around the image: the layer, padded with zeros or not,
    is this map between a part of its inputs and a part of its outputs. Hence ``upper`` bounds the
    layer too, whatever its padding. ``lower`` is of the torus, and the layer may fall below it:
    what it does to an image's border need not be undone.

    Args:
      kernel: float [kh, kw, C / groups, F].
      image_size: height and width of the layer's input, without padding.
      strides: vertical and horizontal.
      dilation: distance of the kernel's taps, vertical and horizontal.
      groups: of channels that do not meet: the first F / groups outputs see the first C / groups
        inputs, and so on. C of them make a depthwise convolution.
      transposed: the bounds of the adjoint instead, from F channels to an image of ``image_size``
        with C: a transposed convolution.

    Raises:
      InputError: the kernel is not of that rank or not finite, or a size is below 1.
    """
    _check(kernel, 4)
    if min(*image_size, *strides, *dilation) < 1:
        raise InputError(
            f"image_size is {list(image_size)}, strides {list(strides)}, dilation "
            f"{list(dilation)}; expected whole numbers of at least 1."
        )
    taps = [(size - 1) * step + 1 for size, step in zip(kernel.shape[:2], dilation, strict=True)]
    grid = [
        # One tap has the same size at every frequency.
        1 if reach == 1 else math.ceil((size + reach - 1) / stride)
        for size, reach, stride in zip(image_size, taps, strides, strict=True)
    ]
    spread = np.zeros((*taps, *kernel.shape[2:]), np.float64)
    spread[:: dilation[0], :: dilation[1]] = kernel
    lowest, highest = np.inf, 0.0
    # The map's matrix is block diagonal.
    for block in np.split(spread, groups, axis=3):
        for matrices in _transforms(block, grid, strides):
            squares = _squares(matrices)
            lowest = min(lowest, float(squares.min()))
            highest = max(highest, float(squares.max()))
    inputs, outputs = matrices.shape[1:]
    into_more = inputs >= outputs if transposed else outputs >= inputs
    return FrameBounds(_root(lowest) if into_more else 0.0, _root(highest))


def _transforms(
    kernel: np.ndarray, grid: Sequence[int], strides: Sequence[int]
) -> Iterator[np.ndarray]:
    """The matrices [frequencies, C s^2, F] of a kernel [kh, kw, C, F], some at a time."""
    phases = [
        np.fft.rfft(kernel[down :: strides[0], right :: strides[1]], n=grid[1], axis=1)
        for down in range(strides[0])
        for right in range(strides[1])
    ]
    inputs, outputs = kernel.shape[2] * len(phases), kernel.shape[3]
    # Frequencies that rfft leaves out are conjugates of others.
    columns = phases[0].shape[1]
    chunk = max(1, _CHUNK // (grid[0] * inputs * outputs))
    for first in range(0, columns, chunk):
        parts = [np.fft.fft(phase[:, first : first + chunk], n=grid[0], axis=0) for phase in phases]
        yield np.concatenate(parts, axis=2).reshape(-1, inputs, outputs)


def _squares(matrices: np.ndarray) -> np.ndarray:
    """Squared singular values [..., k], rising, of matrices [..., n, m], k the smaller of n and m.

    As eigenvalues of the smaller Gram matrix, several times faster than a decomposition; they are
    exact to rounding errors of the largest, so that singular values below 1e-6 of it are not.
    """
    transposed = np.swapaxes(matrices, -1, -2).conj()
    if matrices.shape[-1] <= matrices.shape[-2]:
        return np.linalg.eigvalsh(transposed @ matrices)
    return np.linalg.eigvalsh(matrices @ transposed)


def _root(square: float) -> float:
    return math.sqrt(max(square, 0.0))


def _check(kernel: np.ndarray, rank: int) -> None:
    if kernel.ndim != rank or not kernel.size or not np.isfinite(kernel).all():
        raise InputError(
            f"a kernel has shape {list(kernel.shape)} or values that are not finite; expected "
            f"{rank} axes and finite numbers."
        )
