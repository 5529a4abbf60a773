from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tfblindspots.reports.reading import read_results
from tfblindspots.reports.verdicts import Claim, Verdict, judge

WriteResults = Callable[[dict[str, Any]], Path]

SUCCESS, ORDER, TRANSFER, HARM, RESISTANCE, NOISE = range(6)


@pytest.fixture
def judged(write_results: WriteResults) -> Callable[[dict[str, Any]], tuple[Claim, ...]]:
    return lambda content: judge(read_results(write_results(content)))


Judged = Callable[[dict[str, Any]], tuple[Claim, ...]]


def set_rate(cell: dict[str, Any], rate: float) -> None:
    cell.update(rate=rate, low=max(0, rate - 0.001), high=min(1, rate + 0.001))


def off_diagonal(content: dict[str, Any], target: str) -> list[tuple[str, dict[str, Any]]]:
    """(made for, cell) of all off-diagonal cells."""
    return [
        (row["made_for"], cell)
        for row in content["cross_model"][target]["rows"]
        for cell in row["cells"]
        if row["made_for"] not in (None, cell["model"])
    ]


def both_targets(content: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return off_diagonal(content, "random") + off_diagonal(content, "untargeted")


def add_large_noise(content: dict[str, Any], error: float) -> None:
    for table in content["cross_model"].values():
        table["rows"].append(
            {
                "name": "Gaussian noise 1",
                "made_for": None,
                "mean_distortion": 1.001,
                "cells": [
                    {"model": name, "rate": error, "low": error, "high": error, "count": 60000}
                    for name in table["columns"]
                ],
            }
        )


@pytest.mark.parametrize(
    ("error", "verdict"), [(0.59, Verdict.HOLDS), (0.75, Verdict.PARTLY), (0.85, Verdict.FAILS)]
)
def test_large_noise_is_judged_by_the_mean_accuracy(
    judged: Judged, results_content: dict[str, Any], error: float, verdict: Verdict
) -> None:
    add_large_noise(results_content, error)
    claim = judged(results_content)[-1]
    assert (claim.experiment, claim.verdict) == ("E4", verdict)


def test_every_claim_holds_on_the_papers_own_numbers(
    judged: Judged, results_content: dict[str, Any]
) -> None:
    add_large_noise(results_content, 0.49)
    claims = judged(results_content)
    assert [claim.verdict for claim in claims] == [Verdict.HOLDS] * 7
    assert [len(claim.findings) for claim in claims] == [2] * 6 + [1]


def test_nothing_is_judged_without_numbers(judged: Judged) -> None:
    claims = judged({})
    assert [claim.verdict for claim in claims] == [Verdict.UNTESTED] * 7


@pytest.mark.parametrize(
    ("rate", "verdict"),
    [(1.0, Verdict.HOLDS), (0.9999, Verdict.PARTLY), (0.989, Verdict.FAILS)],
)
def test_success_is_that_of_the_worst_network(
    judged: Judged, results_content: dict[str, Any], rate: float, verdict: Verdict
) -> None:
    for attack in results_content["networks"][3]["attacks"].values():
        attack["success_rate"] = rate
    claim = judged(results_content)[SUCCESS]
    assert claim.verdict is verdict
    if rate < 1:
        assert "FC100-100-10" in claim.findings[0].evidence


def test_targets_that_differ_hold_partly(judged: Judged, results_content: dict[str, Any]) -> None:
    results_content["networks"][3]["attacks"]["random"]["success_rate"] = 0.5
    claim = judged(results_content)[SUCCESS]
    assert claim.verdict is Verdict.PARTLY
    assert [finding.verdict for finding in claim.findings] == [Verdict.FAILS, Verdict.HOLDS]


@pytest.mark.parametrize(
    ("distortions", "verdict"),
    [
        ([0.04, 0.07, 0.1, 0.03, 0.05, 0.06], Verdict.HOLDS),
        ([0.05, 0.07, 0.1, 0.03, 0.04, 0.06], Verdict.PARTLY),  # one of 15 pairs swapped
        ([0.04, 0.07, 0.03, 0.06, 0.05, 0.1], Verdict.FAILS),
    ],
)
def test_the_order_of_distortions(
    judged: Judged, results_content: dict[str, Any], distortions: list[float], verdict: Verdict
) -> None:
    for network, distortion in zip(results_content["networks"], distortions, strict=True):
        for attack in network["attacks"].values():
            attack["mean_distortion"] = distortion
    claim = judged(results_content)[ORDER]
    assert claim.verdict is verdict
    if verdict is Verdict.PARTLY:
        assert claim.findings[0].evidence.startswith("14 of 15 pairs")


@pytest.mark.parametrize(
    ("clean_cells", "factor", "verdict"),
    [
        (0, 1, Verdict.HOLDS),
        (8, 1, Verdict.PARTLY),  # with the one cell of the paper itself: 21 of 30 above
        (16, 1, Verdict.FAILS),
        (0, 0.26, Verdict.PARTLY),  # above the clean error, but less than twice it on average
    ],
)
def test_transfer_needs_cells_well_above_the_clean_error(
    judged: Judged,
    results_content: dict[str, Any],
    clean_cells: int,
    factor: float,
    verdict: Verdict,
) -> None:
    for target in ("random", "untargeted"):
        rows = results_content["cross_model"][target]["rows"]
        clean = {cell["model"]: cell for cell in rows[6]["cells"]}
        if factor < 1:
            for cell in clean.values():
                set_rate(cell, 0.1)
        for position, (_, cell) in enumerate(off_diagonal(results_content, target)):
            base = clean[cell["model"]]["rate"]
            if factor < 1:
                set_rate(cell, 0.15)
            elif position < clean_cells:
                set_rate(cell, base)
    assert judged(results_content)[TRANSFER].verdict is verdict


@pytest.mark.parametrize(
    ("rates", "verdict"),
    [
        ({"fc10-1e-4": 0.1, "fc10-1e-2": 0.5, "fc10-1": 0.6}, Verdict.HOLDS),
        # The worst set is of another kind, although the FC10 sets are worse on average.
        ({"fc10-1e-4": 0.5, "fc10-1e-2": 0.5, "fc10-1": 0.5, "ae400-10": 0.6}, Verdict.PARTLY),
        # The worst set is one of FC10, although the others are worse on average.
        ({"fc10-1e-4": 0.0, "fc10-1e-2": 0.0, "fc10-1": 0.4}, Verdict.PARTLY),
        ({"fc10-1e-4": 0.1, "fc10-1e-2": 0.1, "fc10-1": 0.1}, Verdict.FAILS),
    ],
)
def test_which_sets_hurt_most(
    judged: Judged, results_content: dict[str, Any], rates: dict[str, float], verdict: Verdict
) -> None:
    for made_for, cell in both_targets(results_content):
        set_rate(cell, rates.get(made_for, 0.2))
    assert judged(results_content)[HARM].verdict is verdict


@pytest.mark.parametrize(
    ("rates", "verdict"),
    [
        ({"ae400-10": 0.1}, Verdict.HOLDS),
        ({"ae400-10": 0.1, "fc10-1": 0.05}, Verdict.PARTLY),
        ({"ae400-10": 0.1, "fc10-1": 0.05, "fc10-1e-2": 0.05}, Verdict.FAILS),
    ],
)
def test_who_resists_best(
    judged: Judged, results_content: dict[str, Any], rates: dict[str, float], verdict: Verdict
) -> None:
    for _, cell in both_targets(results_content):
        set_rate(cell, rates.get(cell["model"], 0.2))
    assert judged(results_content)[RESISTANCE].verdict is verdict


@pytest.mark.parametrize(
    ("noise", "verdict"),
    [(0.1, Verdict.HOLDS), (0.4, Verdict.PARTLY), (0.7, Verdict.FAILS)],
)
def test_noise_that_is_larger_hurts_less(
    judged: Judged, results_content: dict[str, Any], noise: float, verdict: Verdict
) -> None:
    softmax = ("fc10-1e-4", "fc10-1e-2", "fc10-1")
    for made_for, cell in both_targets(results_content):
        set_rate(cell, 0.6 if made_for in softmax else 0.3)
    for table in results_content["cross_model"].values():
        for row in table["rows"][7:]:
            for cell in row["cells"]:
                set_rate(cell, noise)
    assert judged(results_content)[NOISE].verdict is verdict


def test_noise_smaller_than_the_distortion_is_no_measure(
    judged: Judged, results_content: dict[str, Any]
) -> None:
    for table in results_content["cross_model"].values():
        for row in table["rows"][:6]:
            row["mean_distortion"] = 0.5
    assert judged(results_content)[NOISE].verdict is Verdict.UNTESTED


def test_a_subset_of_networks_is_judged_where_it_can_be(
    judged: Judged, results_content: dict[str, Any]
) -> None:
    results_content["networks"] = results_content["networks"][:1]
    for table in results_content["cross_model"].values():
        table["columns"] = table["columns"][:1]
        table["rows"] = table["rows"][:1] + table["rows"][6:]
        for row in table["rows"]:
            row["cells"] = row["cells"][:1]
    verdicts = [claim.verdict for claim in judged(results_content)]
    assert verdicts == [Verdict.HOLDS] + [Verdict.UNTESTED] * 6
