"""A picture of the filters that a locally connected layer learnt from pixels."""

import math

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tfblindspots.reports.figures import DPI, INK, image_axes

_SIDE = 0.34  # inches
_GAP = 0.04
_MAPS_ALONG = 12  # maps of which the neighbours are shown


def filters_figure(kernel: np.ndarray, kernel_size: int) -> Figure:
    """All filters at the middle position; beside them, some with those of the positions next to it.

    Grey is 0; each filter is scaled by its own largest weight.

    Args:
      kernel: float32 [H', W', kernel_size * kernel_size * C, M], C 1 or 3, as
        ``LocallyConnected2D`` keeps it.
      kernel_size: height and width of a filter.
    """
    rows, columns, _, maps = kernel.shape
    filters = np.moveaxis(kernel, 3, 2).reshape(rows, columns, maps, kernel_size, kernel_size, -1)
    largest = np.abs(filters).max(axis=(3, 4, 5), keepdims=True)
    shown = 0.5 + 0.5 * filters / np.where(largest > 0, largest, 1)
    middle = (rows // 2, columns // 2)
    across = math.ceil(math.sqrt(maps))
    down = math.ceil(maps / across)
    along = min(columns - middle[1], 5)
    followed = min(maps, _MAPS_ALONG, down)
    step, top, between = _SIDE + _GAP, 0.36, 0.5
    width = (across + along) * step + between + _GAP
    height = down * step + top
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)

    def place(image: np.ndarray, left: float, row: int) -> None:
        axes = image_axes(figure, (left, height - top - (row + 1) * step, _SIDE, _SIDE))
        axes.imshow(image if image.shape[-1] == 3 else image[..., 0], vmin=0, vmax=1, cmap="gray")

    for number in range(maps):
        place(shown[middle][number], _GAP + number % across * step, number // across)
    left = across * step + between
    for row in range(followed):
        for offset in range(along):
            place(shown[middle[0], middle[1] + offset, row], left + offset * step, row)
    for text, x in ((f"{maps} maps, one position", _GAP), ("neighbouring positions", left)):
        figure.text(x / width, 1 - 0.24 / height, text, fontsize=8, color=INK)
    return figure
