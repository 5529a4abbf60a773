"""What several runs with different seeds say together."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from tfblindspots.errors import InputError

_CONFIDENCE = 0.95


def over_runs(values: Sequence[float]) -> dict[str, Any]:
    """The mean of a number over runs, and its spread.

    Args:
      values: of each run, at least one.

    Returns:
      JSON-ready: ``values``; ``mean``; ``stddev`` over runs, unbiased; ``low`` and ``high``, the
      95 % confidence interval of the mean by Student's t. Spread and interval are None for one run.

    Raises:
      InputError: there are no values.
    """
    if not len(values):
        raise InputError("there is nothing to average; expected the value of at least one run.")
    found = np.asarray(values, np.float64)
    stddev = low = high = None
    if found.size > 1:
        stddev = float(found.std(ddof=1))
        half = stats.t.ppf((1 + _CONFIDENCE) / 2, found.size - 1) * stddev / np.sqrt(found.size)
        low, high = float(found.mean() - half), float(found.mean() + half)
    return {
        "values": found.tolist(),
        "mean": float(found.mean()),
        "stddev": stddev,
        "low": low,
        "high": high,
    }
