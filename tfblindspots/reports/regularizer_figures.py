"""The figure of E7: test error while networks learn."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from tfblindspots.reports.figures import plot

# Blue without adversarial examples, orange and red with those of one layer, green with all.
_LINES = (
    ("#7fb8e0", "solid"),
    ("#2f7fc1", "dashed"),
    ("#0b3c78", "dashdot"),
    ("#b3400e", "solid"),
    ("#f0922b", "dashed"),
    ("#e0b54a", "dashdot"),
    ("#1f8a4c", "solid"),
)
# Above so many times the lowest error it is the first epochs that show, where all fall alike.
_SHOWN = 5.0


def learning_curves_figure(curves: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Error after each epoch, a line a way to train, on a logarithmic scale.

    Args:
      curves: by name, ``mean``, ``low`` and ``high`` over runs: fractions, an epoch each.
    """
    figure, axes = plot("epoch", "test error (%)")
    for (name, curve), (colour, dashes) in zip(curves.items(), _LINES, strict=False):
        epochs = range(1, len(curve["mean"]) + 1)
        mean, low, high = ([100 * x for x in curve[key]] for key in ("mean", "low", "high"))
        axes.plot(epochs, mean, color=colour, linestyle=dashes, linewidth=1.6, label=name)
        axes.fill_between(epochs, low, high, color=colour, alpha=0.15, linewidth=0)
    lowest = 100 * min(min(curve["low"]) for curve in curves.values())
    axes.set_yscale("log")
    axes.set_ylim(0.95 * lowest or None, _SHOWN * lowest or None)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    figure.legend(loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return figure
