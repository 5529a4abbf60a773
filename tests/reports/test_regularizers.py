"""E7's verdicts, on numbers that were made up to deserve them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tfblindspots.errors import InputError
from tfblindspots.reports.claims import Verdict
from tfblindspots.reports.regularizers import NAMES, regularizers_section


def spread(mean: float, half: float | None) -> dict[str, Any]:
    low, high = (None, None) if half is None else (mean - half, mean + half)
    values = [mean] if half is None else [low, mean, high]
    return {"values": values, "mean": mean, "stddev": None, "low": low, "high": high}


def write(root: Path, errors: dict[str, float], half: float | None = 0.001) -> None:
    variants = {
        name: {
            "layers": [],
            "weight_decay": 5e-5,
            "pixel_dropout": 0.15,
            "unit_dropout": 0.05,
            "runs": [{"pools": {"images": {"evaluations_per_step": 200.0, "size": 1_437}}}],
            "test_error": spread(errors[name], half),
            "mean_distortion": spread(0.05, 0.01),
            "distortion_ratio": spread(1.5, 0.1),
            "seconds": spread(60, 1),
            "error_differences": {
                other: spread(errors[name] - errors[other], half)
                for other in NAMES
                if other != name
            },
            "curve": {"mean": [0.1, 0.02], "low": [0.09, 0.01], "high": [0.2, 0.03]},
        }
        for name in NAMES
    }
    names = ("size", "interval", "renewal", "share", "max_evaluations", "distortion")
    flags = {"model": "fc100-100-10", **{f"pool_{name}": 1 for name in names}}
    results = {"dataset": "mnist", "flags": flags, "seconds": 5.0, "variants": variants}
    (root / "regularizers").mkdir(exist_ok=True)
    (root / "regularizers" / "results.json").write_text(json.dumps(results))


ERRORS = {
    "none": 0.022,
    "weight_decay": 0.021,
    "dropout": 0.0195,
    "pool_images": 0.012,
    "pool_hidden_1": 0.019,
    "pool_hidden_2": 0.0115,
    "pool_all": 0.010,
}


def verdicts(root: Path) -> list[list[Verdict]]:
    section = regularizers_section(root)
    assert section is not None
    return [[finding.verdict for finding in claim.findings] for claim in section.claims]


def test_intervals_below_hold_means_below_hold_partly_others_fail(tmp_path: Path) -> None:
    write(tmp_path, ERRORS)
    assert verdicts(tmp_path) == [
        [Verdict.HOLDS, Verdict.HOLDS, Verdict.HOLDS],
        [Verdict.FAILS, Verdict.PARTLY, Verdict.HOLDS],
    ]
    write(tmp_path, {**ERRORS, "pool_all": 0.0205})
    assert verdicts(tmp_path)[0] == [Verdict.FAILS, Verdict.PARTLY, Verdict.FAILS]


def test_one_seed_shows_nothing_for_sure(tmp_path: Path) -> None:
    write(tmp_path, ERRORS, half=None)
    assert verdicts(tmp_path) == [
        [Verdict.PARTLY] * 3,
        [Verdict.FAILS, Verdict.PARTLY, Verdict.PARTLY],
    ]


def test_intervals_that_show_nothing_do_not_hold(tmp_path: Path) -> None:
    # Of two runs that happen to differ alike; and of none that differ, but for rounding.
    write(tmp_path, ERRORS)
    path = tmp_path / "regularizers" / "results.json"
    results = json.loads(path.read_text())
    differences = results["variants"]["pool_all"]["error_differences"]
    differences["weight_decay"] = {**spread(-0.01, 0.0), "values": [-0.01, -0.01]}
    differences["dropout"] = spread(-2.3e-18, 0.001)
    path.write_text(json.dumps(results))
    assert verdicts(tmp_path)[0] == [Verdict.HOLDS, Verdict.PARTLY, Verdict.FAILS]


def test_the_table_sets_the_papers_numbers_beside_ours(tmp_path: Path) -> None:
    write(tmp_path, ERRORS)
    section = regularizers_section(tmp_path)
    assert section is not None and section.parts[0].table is not None
    rows = {row.name: row.cells for row in section.parts[0].table.rows}
    all_layers = [
        cell.text.replace("\N{NO-BREAK SPACE}", " ") for cell in rows["pools: all layers"]
    ]
    assert all_layers == [
        *("1.00 %", "-1.20 [-1.30, -1.10]", "0.0500", "1.50", "200", "1 min 00 s")
    ]
    assert [rows[name][0].paper for name in NAMES.values()] == [
        *("", "1.6 %", "≈ 1.3 %", "", "", "", "< 1.2 %")
    ]
    assert rows["no regularisation"][1].text == "–"
    evidence = section.claims[0].findings[1].evidence.replace("\N{NO-BREAK SPACE}", " ")
    assert evidence == (
        "Test error 1.00 % against 2.10 %, a difference of -1.10 [-1.20, -1.00] points."
    )


def test_there_may_be_none_and_it_may_be_broken(tmp_path: Path) -> None:
    assert regularizers_section(tmp_path) is None
    write(tmp_path, ERRORS)
    path = tmp_path / "regularizers" / "results.json"
    broken = json.loads(path.read_text())
    del broken["variants"]["none"]["curve"]
    path.write_text(json.dumps(broken))
    with pytest.raises(InputError, match=r"does not have the expected form .no 'curve'."):
        regularizers_section(tmp_path)
