"""The arithmetic of the benchmark's tables, on runs made by hand."""

import numpy as np
import pytest

from benchmarks.report import Run, markdown, table_rows


def _run(method: str, l2: list[float], seconds: float) -> Run:
    return Run(method, np.array(l2), evaluations=7.0, seconds=seconds)


def test_ratios_are_ours_over_theirs_on_the_images_both_solved() -> None:
    ours = {
        ("tfblindspots, standard", 3): _run("tfblindspots, standard", [1.0, 2.0, np.inf], 2.0),
        ("tfblindspots, standard", 2): _run("tfblindspots, standard", [1.0, 2.0], 1.0),
        ("tfblindspots, fast", 3): _run("tfblindspots, fast", [2.0, 4.0, 6.0], 1.0),
        ("tfblindspots, fast", 2): _run("tfblindspots, fast", [2.0, 4.0], 0.5),
    }
    quick, slow = _run("quick", [np.inf, 4.0, 8.0], 4.0), _run("slow", [4.0, 8.0], 10.0)
    first, second = table_rows([quick, slow], ours, ("standard", "fast"), pixels=16)

    assert first["success_rate"] == pytest.approx(2 / 3)
    assert first["mean_distortion"] == 6.0 / 4
    assert first["images_per_second"] == 0.75
    assert first["our_distortion_ratio"] == 0.5  # the second image alone
    assert first["our_speed_ratio"] == 2.0
    assert first["fast_distortion_ratio"] == 10 / 12
    assert first["fast_speed_ratio"] == 4.0
    # Two images are compared with our run of two.
    assert (second["our_speed_ratio"], second["fast_speed_ratio"]) == (10.0, 20.0)

    table = markdown({"title": "T", "rows": [first, second]}).splitlines()
    assert table[0] == "# T"
    assert table[-1].startswith("| slow | 2 | 100.0% | 1.5 | 7 | 0.2 | 0.2500 | 10 |")


def test_nothing_solved_has_no_ratio() -> None:
    ours = {("tfblindspots, standard", 1): _run("tfblindspots, standard", [1.0], 1.0)}
    (row,) = table_rows([_run("lost", [np.inf], 1.0)], ours, ("standard",), pixels=4)
    assert row["mean_distortion"] is None and row["our_distortion_ratio"] is None
    assert "none" in markdown({"title": "T", "rows": [row]})
