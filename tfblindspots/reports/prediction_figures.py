"""Images with what a network takes them for."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tfblindspots.reports.figures import DPI, INK, image_axes

_WRONG = "#b3400e"
_ACROSS = 8


def predictions_figure(
    images: np.ndarray, labels: Sequence[str], predictions: Sequence[str]
) -> Figure:
    """Rows of images; above each its class, and where the network errs the class it gives too.

    Args:
      images: float32 [N, H, W, C] in [0, 1], N at least 1, C 1 or 3.
      labels: N names of the true classes.
      predictions: N names of the network's.
    """
    side, gap, caption = 1.0, 0.12, 0.34  # inches
    across = min(_ACROSS, len(images))
    down = math.ceil(len(images) / across)
    size = (gap + across * (side + gap), down * (side + caption) + gap)
    figure = Figure(figsize=size, dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    for position, image in enumerate(images):
        row, column = divmod(position, across)
        bottom = size[1] - (row + 1) * (side + caption)
        axes = image_axes(figure, (gap + column * (side + gap), bottom, side, side))
        axes.imshow(image if image.shape[-1] == 3 else image[..., 0], vmin=0, vmax=1, cmap="gray")
        label, prediction = labels[position], predictions[position]
        right = label == prediction
        axes.set_title(
            label if right else f"{label} → {prediction}",
            fontsize=9,
            color=INK if right else _WRONG,
            pad=3,
            parse_math=False,
        )
    return figure
