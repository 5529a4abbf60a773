"""Figures from plain arrays, on white, drawn with matplotlib's Agg backend and no global state."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

DPI = 160
INK = "#333333"
_DIVERGING = "RdBu_r"
# Pixels from which on an image is shown larger, and its name may be long.
_PHOTO = 100
# One hue for each family of the paper's networks, in its order: softmax regressions, networks with
# two hidden layers, the autoencoder; then what else there may be. Dashes tell them apart in grey.
_LINES: tuple[tuple[str, str], ...] = (
    ("#7fb8e0", "solid"),
    ("#2f7fc1", "solid"),
    ("#0b3c78", "solid"),
    ("#f0922b", "dashed"),
    ("#b3400e", "dashed"),
    ("#1f8a4c", "dashdot"),
    ("#8a4fb0", "dotted"),
    ("#6b6b6b", "dotted"),
)


def sample_positions(count: int, number: int, seed: int) -> np.ndarray:
    """Draws which examples to show, so that none is picked by its looks.

    Args:
      count: examples to draw from.
      number: how many to draw; all of them when there are fewer.
      seed: of the draw. The same count and seed always give the same positions.

    Returns:
      int64 [min(number, count)], ascending, without repeats.
    """
    generator = np.random.default_rng(abs(seed))
    return np.sort(generator.choice(count, size=min(number, count), replace=False))


def difference_range(original: np.ndarray, adversarial: np.ndarray) -> float:
    """The largest change of a pixel, which is where the difference's colour scale ends."""
    return float(np.max(np.abs(adversarial - original), initial=0.0)) or 1.0


@dataclass(frozen=True)
class Magnified:
    """A difference as the paper shows it, at a fixed scale and in the image's own colours.

    Attributes:
      magnification: what a change is multiplied by.
      absolute: show its absolute value from black on (figure 6), not shifted by 128 of 255 so that
        no change is grey (figure 5). Either way clamped.
    """

    magnification: float = 10.0
    absolute: bool = False

    def __call__(self, change: np.ndarray) -> np.ndarray:
        """Changes in units of the pixel range as an image in [0, 1], of the same shape."""
        shifted = np.abs(change) if self.absolute else change
        return np.clip(self.magnification * shifted + (0 if self.absolute else 128 / 255), 0, 1)

    @property
    def name(self) -> str:
        """What stands beside the row."""
        called = "|difference|" if self.absolute else "difference"
        return f"{called}\n× {self.magnification:g}"


def examples_figure(
    original: np.ndarray,
    adversarial: np.ndarray,
    captions: Sequence[str],
    name: str = "adversarial",
    magnified: Magnified | None = None,
) -> Figure:
    """Originals, differences and adversarial images in three rows, a sample a column (E4).

    Unless it is magnified by a given number, the difference has a diverging scale that is symmetric
    about no change and ends at ``difference_range``; with colour images each channel is shifted and
    scaled alike.

    Args:
      original: float32 [N, H, W, C] in [0, 1], N at least 1, C 1 or 3.
      adversarial: the same shape and range.
      captions: N texts to stand above the columns.
      name: of the last row.
      magnified: how differences are shown instead.
    """
    limit = difference_range(original, adversarial)
    columns = len(original)
    change = adversarial - original
    lines = 1 + max(caption.count("\n") for caption in captions)
    # All in inches: margins for the rows' names, the captions and the colour scale.
    side = 1.0 if max(original.shape[1:3]) < _PHOTO else 1.4
    gap, left, right, top = 0.06, 1.0, 0.75, 0.16 * (1 + max(2, lines))
    if magnified is not None:
        right = 0.06
    width, height = left + columns * (side + gap) + right, top + 3 * (side + gap)
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    rows = (
        ("original", original, (0.0, 1.0), "gray"),
        ("difference", change, (-limit, limit), _DIVERGING)
        if magnified is None
        else (magnified.name, magnified(change), (0.0, 1.0), "gray"),
        (name, adversarial, (0.0, 1.0), "gray"),
    )
    for row, (called, images, (low, high), colours) in enumerate(rows):
        bottom = (2 - row) * (side + gap) + gap / 2
        for column, image in enumerate(images):
            position = (left + column * (side + gap), bottom, side, side)
            axes = image_axes(figure, position)
            if image.shape[-1] == 1:
                axes.imshow(image[..., 0], vmin=low, vmax=high, cmap=colours)
            else:
                axes.imshow(np.clip((image - low) / (high - low), 0, 1))
            if row == 0:
                axes.set_title(captions[column], fontsize=9, color=INK, pad=4, parse_math=False)
            if column == 0:
                axes.set_ylabel(
                    called, rotation=0, ha="right", va="center", fontsize=11, color=INK, labelpad=8
                )
        if row == 1 and images.shape[-1] == 1 and magnified is None:
            scale = image_axes(figure, (width - right + 0.06, bottom, 0.09, side))
            mappable = ScalarMappable(Normalize(-limit, limit), _DIVERGING)
            bar = figure.colorbar(mappable, cax=scale, ticks=[-limit, 0, limit])
            bar.ax.set_yticklabels([f"−{limit:.2g}", "0", f"+{limit:.2g}"], fontsize=9, color=INK)
            bar.outline.set_visible(False)
    return figure


def image_axes(figure: Figure, inches: tuple[float, float, float, float]) -> Axes:
    """Axes at (left, bottom, width, height), with a thin frame and no ticks."""
    width, height = figure.get_size_inches()
    left, bottom, across, up = inches
    axes = figure.add_axes((left / width, bottom / height, across / width, up / height))
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(color="#bbbbbb", linewidth=0.6)
    return axes


def distortions_figure(distortions: Mapping[str, np.ndarray], limit: float) -> Figure:
    """Cumulative distributions of the distortions, a line a network, with a dot at each mean.

    Cumulative curves, since six overlapping histograms hide each other, and since a height can be
    read off: the share of images that a perturbation of at most that size turns over.

    Args:
      distortions: by label, float [N] with N at least 1, in the order of the legend.
      limit: where the horizontal axis ends, so that several figures can share it.
    """
    figure, axes = plot("distortion (root mean square per pixel)", "share of images")
    handles, labels = [], []
    for position, (label, values) in enumerate(distortions.items()):
        colour, dashes = _LINES[position % len(_LINES)]
        mean = float(np.mean(values))
        handles.append(axes.ecdf(values, color=colour, linestyle=dashes, linewidth=1.9))
        axes.plot(mean, np.mean(values <= mean), "o", color=colour, markersize=5.5, zorder=3)
        # The number stands first, since a leading underscore would keep a label out of the legend.
        labels.append(f"{mean:#.3g}  {label}")
    axes.set_xlim(0, limit)
    axes.set_ylim(0, 1)
    legend = axes.legend(
        handles, labels, title="mean  network", fontsize=9, loc="lower right", framealpha=0.9
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def plot(across: str, up: str) -> tuple[Figure, Axes]:
    """An empty plot with a light grid; the arguments are the labels of its axes."""
    figure = Figure(figsize=(6.4, 4.3), dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_xlabel(across, color=INK)
    axes.set_ylabel(up, color=INK)
    axes.grid(color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(color=INK, labelcolor=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def jpeg(figure: Figure) -> bytes:
    """The figure as a JPEG file, for photos: a fifth of the size, with every colour kept."""
    buffer = io.BytesIO()
    options = {"quality": 85, "subsampling": 0, "optimize": True}
    figure.savefig(buffer, format="jpeg", dpi=DPI, pil_kwargs=options)
    return buffer.getvalue()


def png(figure: Figure) -> bytes:
    """The figure as a PNG file; the same figure always gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()
