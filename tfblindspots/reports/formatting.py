"""How numbers are shown: as many digits as they can carry, and never a rounded 0 or 100 %."""

import html
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

MISSING = "–"
# Between a number and its percent sign: a space at which no line breaks.
_PERCENT = "\N{NO-BREAK SPACE}%"
_MARKDOWN_SYNTAX = re.compile(r"([\\`*_\[\]{}|~#$])")


def percent(rate: float | None) -> str:
    """A fraction as a percentage: ``2.05 %``, ``11.7 %``.

    Two decimals within 10 points of 0 and within 1 point of 100, else one. 0 % and 100 % mean
    exactly that: what would round to them is shown as ``< 0.01 %`` or ``> 99.99 %``.
    """
    if rate is None or not math.isfinite(rate):
        return MISSING
    if rate in (0, 1):
        return f"{100 * rate:.0f}{_PERCENT}"
    value = 100 * rate
    if 0 < value < 0.01:
        return f"< 0.01{_PERCENT}"
    if 99.99 < value < 100:
        return f"> 99.99{_PERCENT}"
    return f"{value:.{2 if value < 9.995 or value > 99 else 1}f}{_PERCENT}"


def interval(low: float, high: float) -> str:
    """The bounds of a confidence interval of a rate, in percent: ``[1.8, 2.3]``.

    The decimals follow from the width, so that they are digits that the sample carries.
    """
    width = 100 * (high - low)
    near_the_end = high < 0.1 or low > 0.99
    decimals = 2 if width < 0.5 and near_the_end else 1 if width < 20 else 0
    bounds = [
        f"{100 * bound:.0f}" if bound in (0, 1) else f"{100 * bound:.{decimals}f}"
        for bound in (low, high)
    ]
    return f"[{', '.join(bounds)}]"


def error_line(what: str, error: Mapping[str, Any]) -> str:
    """An ``ErrorRate``, as a dictionary, in words: ``test error 2.05 % [1.8, 2.3], 205 of ...``."""
    return (
        f"{what} error {percent(error['rate'])} {interval(error['low'], error['high'])}, "
        f"{error['errors']} of {error['count']} images"
    )


def binary_lines(what: str, metrics: Mapping[str, Any]) -> list[str]:
    """``BinaryMetrics``, as a dictionary, in words, a line a number."""

    def line(name: str, share: Mapping[str, Any], of: str) -> str:
        bounds = interval(share["low"], share["high"])
        return (
            f"{what} {name} {percent(share['rate'])} {bounds}, "
            f"{share['hits']} of {share['count']} {of}"
        )

    balanced = metrics["balanced_accuracy"]
    low, high = metrics["balanced_accuracy_low"], metrics["balanced_accuracy_high"]
    precision = metrics["precision"]
    return [
        f"{what} balanced accuracy {percent(balanced)} {interval(low, high)}",
        line("recall", metrics["recall"], "positive images"),
        line("specificity", metrics["specificity"], "other images"),
        line("precision", precision, "images called positive")
        if precision
        else f"{what} precision {MISSING}: no image was called positive",
    ]


def short_percent(rate: float) -> str:
    """A given fraction, such as the paper's, with no digit more than it has: ``6.7 %``."""
    return f"{100 * rate:.4g}{_PERCENT}"


def distortion(value: float | None) -> str:
    """A distortion with three significant digits, and a plain ``0`` for none."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:#.3g}" if value else "0"


def count(value: float | None) -> str:
    """A count with thousands separated, or the mean of counts with three significant digits."""
    if value is None or not math.isfinite(value):
        return MISSING
    if float(value).is_integer() or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def duration(seconds: float | None) -> str:
    """A wall-clock time: ``8.3 s``, ``2 min 37 s``, ``1 h 04 min``."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def weight_decay(value: float) -> str:
    """A weight decay as the paper writes it: ``1e-4``, ``1``."""
    if 0 < abs(value) < 0.1:
        return str(np.format_float_scientific(value, precision=3, trim="-", exp_digits=1))
    return f"{value:g}"


def target(name: str) -> str:
    """What an attack's ``--target`` is called in a sentence: ``random target``, ``untargeted``."""
    return name if name == "untargeted" else f"{name.replace('_', ' ')} target"


def escape_markdown(value: object) -> str:
    """Makes text harmless in Markdown, table cells included: it is shown as it is."""
    if isinstance(value, Markup):
        return value
    return _MARKDOWN_SYNTAX.sub(r"\\\1", html.escape(" ".join(str(value).split()), quote=False))
