"""Means over runs against SciPy."""

import numpy as np
import pytest
from scipy import stats

from tfblindspots.analysis import over_runs
from tfblindspots.errors import InputError


def test_the_interval_is_students() -> None:
    values = [0.02, 0.024, 0.019, 0.023, 0.0215]
    found = over_runs(values)
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert found["values"] == values
    assert found["mean"] == pytest.approx(np.mean(values))
    assert found["stddev"] == pytest.approx(np.std(values, ddof=1))
    assert (found["low"], found["high"]) == (pytest.approx(low), pytest.approx(high))


def test_one_run_has_no_spread() -> None:
    assert over_runs([0.5]) == {
        "values": [0.5],
        "mean": 0.5,
        "stddev": None,
        "low": None,
        "high": None,
    }


def test_no_run_is_refused() -> None:
    with pytest.raises(InputError, match="nothing to average"):
        over_runs([])
