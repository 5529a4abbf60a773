"""Figures of E5: rows of top images, and how alike they are along units and random directions."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tfblindspots.reports.figures import DPI, INK, image_axes

_MEASURES = {
    "purity": "label purity (share of the most frequent class)",
    "entropy": "label entropy (bits)",
    "pixels": "mean pairwise cosine similarity, pixels",
    "features": "mean pairwise cosine similarity, features",
}
_KINDS = {
    "units": ("units", "#0b3c78", "solid"),
    "random": ("random directions", "#f0922b", "dashed"),
    "whitened": ("random directions, whitened", "#1f8a4c", "dashdot"),
}


def rows_figure(images: np.ndarray, names: Sequence[str]) -> Figure:
    """Rows of images, the farthest along a direction first, as in the paper's figures 1 and 2.

    Args:
      images: float32 [R, k, H, W, C] in [0, 1], C 1 or 3.
      names: R, of the rows.
    """
    rows, columns = images.shape[:2]
    side, gap, left = 0.62, 0.05, 1.3  # inches
    size = (left + columns * (side + gap) + gap, rows * (side + gap) + gap)
    figure = Figure(figsize=size, dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    for row in range(rows):
        for column in range(columns):
            bottom = size[1] - (row + 1) * (side + gap)
            axes = image_axes(figure, (left + column * (side + gap), bottom, side, side))
            image = images[row, column]
            if image.shape[-1] == 1:
                axes.imshow(image[..., 0], vmin=0, vmax=1, cmap="gray")
            else:
                axes.imshow(image)
            if column == 0:
                axes.set_ylabel(
                    names[row], rotation=0, ha="right", va="center", fontsize=9, color=INK
                )
    return figure


def coherence_figure(measures: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Cumulative distributions of each measure, a panel a measure and a line a kind of directions.

    Args:
      measures: by kind (``units``, ``random``, ``whitened``) and measure, a number a direction.
    """
    names = [name for name in _MEASURES if name in measures["units"]]
    figure = Figure(figsize=(6.4, 2.9 * -(-len(names) // 2)), dpi=DPI, facecolor="white")
    figure.set_layout_engine("constrained")
    FigureCanvasAgg(figure)
    for position, name in enumerate(names):
        axes = figure.add_subplot(-(-len(names) // 2), 2, position + 1)
        for kind, (label, colour, dashes) in _KINDS.items():
            values = np.asarray(measures[kind][name])
            axes.ecdf(values, color=colour, linestyle=dashes, linewidth=1.7, label=label)
            axes.plot(values.mean(), 0.02, "^", color=colour, markersize=6, zorder=3)
        axes.set_xlabel(_MEASURES[name], color=INK, fontsize=8)
        axes.set_ylabel("share of directions", color=INK, fontsize=8)
        axes.grid(color="#e6e6e6", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.set_ylim(0, 1)
        axes.tick_params(labelsize=8, color=INK, labelcolor=INK)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8.5, frameon=False)
    return figure
