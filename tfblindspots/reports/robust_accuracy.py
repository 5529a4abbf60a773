"""Robust-accuracy curves as a plot: exact steps, with a band for what the attack left open."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, PercentFormatter

from tfblindspots.reports import figures, formatting

# Okabe and Ito's colours, which colour-blind people tell apart, without yellow, too pale on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("solid", "dashed", "dashdot", "dotted")
# Beyond this quantile a few images would squeeze all others into a corner of the plot.
_SHOWN_QUANTILE = 0.999
_LEGEND_LINE = 0.19  # inches


def robust_accuracy_figure(curves: Sequence[Mapping[str, Any]]) -> Figure:
    """Robust accuracy against the radius, a line a curve, with its band shaded.

    Args:
      curves: as ``analysis.robust_accuracy`` returns them, each with a ``name`` for the legend;
        at least one.
    """
    figure, axes = figures.plot(
        "radius (L2 norm of the change, in units of the pixel range)",
        "robust accuracy (upper bound)",
    )
    limit = largest_shown_radius(curves)
    handles: list[Any] = []
    labels: list[str] = []
    for position, curve in enumerate(curves):
        colour = _COLOURS[position % len(_COLOURS)]
        # The last step goes on to the end of the axis.
        radii = [*curve["radii"], max(limit, curve["radii"][-1])]
        upper, lower = ([*curve[edge], curve[edge][-1]] for edge in ("upper", "lower"))
        style: dict[str, Any] = {
            "where": "post",
            "color": colour,
            "linestyle": _DASHES[position % len(_DASHES)],
        }
        if curve["open"]:
            axes.fill_between(radii, lower, upper, step="post", color=colour, alpha=0.12, lw=0)
            # Bands that overlap are told apart by their edges.
            axes.step(radii, lower, linewidth=0.8, **style)
        handles += axes.step(radii, upper, linewidth=1.9, **style)
        # The number stands first, since a leading underscore would keep a label out of the legend.
        labels.append(f"{formatting.distortion(curve['median_radius'])}  {curve['name']}")
    if any(curve["open"] for curve in curves):
        handles.append(Patch(color="#999999", alpha=0.4, lw=0))
        labels.append("left open: searches that did not converge")
    axes.set_xlim(0, limit)
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    # Below the plot, where neither many curves nor long names hide anything.
    figure.set_figheight(figure.get_figheight() + _LEGEND_LINE * (len(labels) + 1))
    legend = figure.legend(
        handles,
        labels,
        title="median radius  set",
        loc="outside lower center",
        fontsize=9,
        frameon=False,
        alignment="left",
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def round_radii(curves: Sequence[Mapping[str, Any]]) -> list[float]:
    """A few round radii from 0 over what the plot shows of the curves, ascending."""
    limit = largest_shown_radius(curves)
    ticks = MaxNLocator(8, steps=[1, 2, 5, 10]).tick_values(0, limit)
    return [float(f"{tick:.6g}") for tick in ticks if tick <= limit]


def largest_shown_radius(curves: Sequence[Mapping[str, Any]]) -> float:
    """Where the plot's horizontal axis ends: all but a few images that fall have fallen there."""
    ends = [np.quantile(curve["radii"], _SHOWN_QUANTILE, method="higher") for curve in curves]
    # Where no image falls above 0 there is no scale, and any end of the axis will do.
    return 1.02 * float(max(ends)) or 1.0
