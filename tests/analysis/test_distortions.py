"""Summaries of sets small enough to count by hand."""

import numpy as np
import pytest

from tfblindspots.analysis import summarize_distortions
from tfblindspots.artifacts import to_json

_FLOATS = ("distortion", "distortion_uint8")


def _examples(**fields: list) -> dict[str, np.ndarray]:
    return {
        name: np.array(
            values, {"status": object, **dict.fromkeys(_FLOATS, np.float32)}.get(name, np.int64)
        )
        for name, values in fields.items()
    }


def test_misclassified_images_count_0_and_failures_do_not_count() -> None:
    found = summarize_distortions(
        _examples(
            label=[0, 1, 2, 3, 4],
            original_prediction=[0, 1, 2, 3, 9],
            success=[1, 1, 1, 0, 1],
            distortion=[0.125, 0.25, 0.75, 0.0, 0.0],
            evaluations=[10, 20, 30, 100, 1],
            status=["converged", "converged", "limit", "none found", "already misclassified"],
        ),
        seconds=2.0004,
    )
    assert found == {
        "count": 5,
        "attacked": 4,
        "success_rate": 0.75,
        "mean_distortion": pytest.approx(1.125 / 4),
        "mean_distortion_correct": pytest.approx(1.125 / 3),
        "median_distortion_correct": 0.25,
        "quantiles": {
            # Linear between the order statistics 0.125, 0.25, 0.75 at 0, 1/2, 1.
            "0.05": pytest.approx(0.1375),
            "0.25": pytest.approx(0.1875),
            "0.5": pytest.approx(0.25),
            "0.75": pytest.approx(0.5),
            "0.95": pytest.approx(0.7),
        },
        "mean_evaluations": 40.0,
        "seconds": 2.0,
        "images_per_second": 2.5,
        "statuses": {"converged": 2, "limit": 1, "none found": 1, "already misclassified": 1},
    }
    to_json(found)


def test_in_8_bits_only_successes_count() -> None:
    fields = _examples(
        label=[0, 1, 2, 3, 4],
        original_prediction=[0, 1, 2, 3, 9],
        success=[1, 1, 1, 0, 1],
        distortion=[0.125, 0.25, 0.75, 0.0, 0.0],
        success_uint8=[1, 1, 0, 1, 1],
        distortion_uint8=[0.25, 0.25, 0.0, 0.5, 0.5],
        evaluations=[10, 20, 30, 100, 1],
        status=["converged"] * 5,
    )
    found = summarize_distortions(fields, seconds=1.0)
    assert found["success_rate_uint8"] == pytest.approx(2 / 3)
    assert found["mean_distortion_uint8"] == 0.25
    assert found["mean_ratio_uint8"] == 1.5
    to_json(found)


def test_nothing_to_attack() -> None:
    found = summarize_distortions(
        _examples(
            label=[0, 1],
            original_prediction=[1, 0],
            success=[1, 1],
            distortion=[0.0, 0.0],
            evaluations=[1, 1],
            status=["already misclassified"] * 2,
        ),
        seconds=0.5,
    )
    assert found["mean_distortion"] == 0
    assert found["attacked"] == 0
    assert found["quantiles"] == {}
    for name in (
        "success_rate",
        "mean_distortion_correct",
        "median_distortion_correct",
        "mean_evaluations",
    ):
        assert found[name] is None
    to_json(found)


def test_float32_is_summed_in_float64() -> None:
    count = 1_000_000
    found = summarize_distortions(
        _examples(
            label=[0] * count,
            original_prediction=[0] * count,
            success=[1] * count,
            distortion=[0.1] * count,
            evaluations=[1] * count,
            status=["converged"] * count,
        ),
        seconds=1.0,
    )
    assert found["mean_distortion"] == pytest.approx(float(np.float32(0.1)), rel=1e-12)
