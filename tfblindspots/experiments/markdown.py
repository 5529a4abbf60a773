"""Tables as Markdown that also reads well in a terminal."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tfblindspots.analysis import accuracy_at
from tfblindspots.reports import formatting
from tfblindspots.reports.paper import FRAME_BOUNDS
from tfblindspots.reports.robust_accuracy import round_radii


def error_table(table: Mapping[str, Any]) -> str:
    """Shows what ``cross_error_table`` measured: a row an image set, a column a model.

    Args:
      table: ``columns`` and ``rows`` as ``cross_error_table`` returns them.

    Returns:
      Markdown lines; each cell is the error with its 95 % interval.
    """
    header = ["error on", *table["columns"], "mean distortion"]
    rows = [
        [row["name"], *map(_cell, row["cells"]), formatting.distortion(row["mean_distortion"])]
        for row in table["rows"]
    ]
    return _markdown(header, rows)


def robust_accuracy_table(results: Mapping[str, Any]) -> str:
    """Shows what ``measure_robust_accuracy`` measured at a few radii: a column a set.

    Args:
      results: as ``measure_robust_accuracy`` returns them.

    Returns:
      Markdown lines; a cell is the upper edge, or both where the attack left some distances open.
    """
    curves = results["curves"]
    radii = round_radii(curves)
    columns = [
        [_range(low, high) for low, high in zip(*accuracy_at(curve, radii), strict=True)]
        for curve in curves
    ]
    header = ["radius (L2)", *(curve["name"] for curve in curves)]
    rows = [[f"{radius:g}", *cells] for radius, *cells in zip(radii, *columns, strict=True)]
    return _markdown(header, rows)


def coherence_table(results: Mapping[str, Any]) -> str:
    """Shows what ``inspect_units`` measured: a row a measure and a kind of random directions.

    Args:
      results: as ``inspect_units`` returns them.

    Returns:
      Markdown lines: means, the difference with its 95 % interval, effect size and p.
    """
    header = ["measure", "against", "units", "directions", "difference", "Cliff's delta", "p"]
    rows = [
        [
            measure,
            kind,
            f"{found['units']:.3f}",
            f"{found['directions']:.3f}",
            f"{found['difference']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}]",
            f"{found['effect_size']:+.2f}",
            f"{found['p_value']:.4f}",
        ]
        for kind, measures in results["comparisons"].items()
        for measure, found in measures.items()
    ]
    return _markdown(header, rows)


def frame_bounds_table(results: Mapping[str, Any]) -> str:
    """Shows what ``measure_frame_bounds`` found: a row a layer that changes distances.

    Args:
      results: as ``measure_frame_bounds`` returns them.

    Returns:
      Markdown lines, two columns a set; with the paper's table 5 where the network is AlexNet.
    """
    layers, sets = results["layers"], results["sets"]
    paper = _paper_bounds([layer for layer in layers if layer["kernel"]])
    header = [
        "layer",
        "kind",
        "kernel",
        "lower",
        "upper",
        *(["paper, upper"] if paper else []),
        "padded",
        "layer's constant",
        "network's bound to here",
        *(f"{name}, {what}" for name in sets for what in ("layer", "to here")),
    ]
    rows = []
    for layer in layers:
        if not layer["kernel"] and layer["constant"] == 1:
            continue
        measured = [found["layers"].get(layer["name"], {}) for found in sets.values()]
        rows.append(
            [
                layer["name"],
                layer["kind"],
                "x".join(map(str, layer["kernel"] or ())),
                _factor(layer["lower"]),
                _factor(layer["upper"]),
                *([paper.get(layer["name"], "")] if paper else []),
                _factor(layer["padded_norm"]),
                "unknown" if layer["constant"] is None else _factor(layer["constant"]),
                _factor(layer["network"]) + (" (no bound)" if layer["unknown"] else ""),
                *(
                    _factor(found.get(key))
                    for found in measured
                    for key in ("largest", "network_largest")
                ),
            ]
        )
    return _markdown(header, rows)


def _paper_bounds(layers: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The paper's bound by layer, where the layers with a kernel are AlexNet's."""
    # Before them there may be one that prepares colours.
    found = layers[-len(FRAME_BOUNDS) :]
    kernels = [tuple(layer["kernel"]) for layer in found]
    shapes = [k if len(k) == 2 else (k[0], k[1], k[3]) for k in kernels]
    if shapes != [known.kernel for known in FRAME_BOUNDS]:
        return {}
    return {
        layer["name"]: f"{known.bound:g}" for layer, known in zip(found, FRAME_BOUNDS, strict=True)
    }


def _factor(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _range(low: float, high: float) -> str:
    if low == high:
        return formatting.percent(high)
    return f"{formatting.percent(low)} to {formatting.percent(high)}"


def _cell(cell: Mapping[str, Any]) -> str:
    bounds = formatting.interval(cell["low"], cell["high"])
    return f"{formatting.percent(cell['rate'])} {bounds}"


def _harmless(cell: str) -> str:
    """Text that ends no cell, is no tag, link or code, and does nothing to a terminal.

    Less than ``escape_markdown``, which would put backslashes into ordinary names.
    """
    shown = "".join(char if char.isprintable() or char == "\xa0" else " " for char in cell)
    return re.sub(r"[\\`|]|<(?=[a-zA-Z/!?])|\](?=\()", r"\\\g<0>", shown)


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    header, *rows = [[*map(_harmless, cells)] for cells in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = ["-" * width if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    lines = []
    for first, *others in (header, rule, *rows):
        right = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append(f"| {' | '.join([first.ljust(widths[0]), *right])} |\n")
    return "".join(lines)
