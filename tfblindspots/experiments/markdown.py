"""Tables as Markdown that also reads well in a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfblindspots.analysis import accuracy_at
from tfblindspots.reports import formatting
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


def _range(low: float, high: float) -> str:
    if low == high:
        return formatting.percent(high)
    return f"{formatting.percent(low)} to {formatting.percent(high)}"


def _cell(cell: Mapping[str, Any]) -> str:
    bounds = formatting.interval(cell["low"], cell["high"])
    return f"{formatting.percent(cell['rate'])} {bounds}"


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = ["-" * width if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    lines = []
    for first, *others in (header, rule, *rows):
        right = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append(f"| {' | '.join([first.ljust(widths[0]), *right])} |\n")
    return "".join(lines)
