"""Layers in NumPy, channels first as Caffe and PyTorch have them: the oracle for networks."""

import numpy as np


def relu(x: np.ndarray) -> np.ndarray:
    """max(0, x)."""
    return np.maximum(x, 0)


def convolve(
    x: np.ndarray,
    kernel: np.ndarray,
    bias: np.ndarray,
    *,
    stride: int = 1,
    pad: int = 0,
    groups: int = 1,
) -> np.ndarray:
    """Cross-correlation of [B, C, H, W] with kernels [F, C / groups, h, w]."""
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    outputs = []
    for part, filters in zip(np.split(x, groups, 1), np.split(kernel, groups), strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(part, kernel.shape[2:], axis=(2, 3))
        windows = windows[:, :, ::stride, ::stride]
        outputs.append(np.einsum("bcyxij,fcij->bfyx", windows, filters, optimize=True))
    return np.concatenate(outputs, axis=1) + bias[:, None, None]


def max_pool(x: np.ndarray) -> np.ndarray:
    """The largest of 3x3, every second one, of [B, C, H, W]."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
    return windows[:, :, ::2, ::2].max(axis=(4, 5))


def normalize_response(x: np.ndarray, k: float, alpha: float) -> np.ndarray:
    """x / (k + alpha * sum of the squares of five channels) ** 0.75, of [B, C, H, W]."""
    squares = np.pad(x**2, ((0, 0), (2, 2), (0, 0), (0, 0)))
    total = sum(squares[:, i : i + x.shape[1]] for i in range(5))
    return x / (k + alpha * total) ** 0.75
