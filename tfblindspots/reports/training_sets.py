"""E3 in the report: tables 3 and 4 over several seeds, beside the paper's single run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfblindspots.reports import formatting, paper
from tfblindspots.reports.claims import Claim, Finding, Verdict, agreeing
from tfblindspots.reports.sections import (
    RESULTS,
    Part,
    Section,
    read_section,
)
from tfblindspots.reports.tables import Cell, Row, Table

DIRECTORY = "training_sets"
# Table 4: an amplified set hurts this many times as much, at least.
AMPLIFICATION = 2.0
_PARTS = ("P1", "P2", "test")


def training_sets_section(root: Path) -> Section | None:
    """The section on what ``compare_training_sets`` wrote into ``ROOT/training_sets``.

    Args:
      root: directory of the report.

    Returns:
      The section; None where the experiment was not run.

    Raises:
      InputError: the results do not have the form that the experiment writes.
    """
    return read_section(root / DIRECTORY, _section)


def _section(results: Mapping[str, Any]) -> Section:
    tables = results["means"]["tables"]
    seeds = len(results["runs"])
    spread = f"mean of {seeds} seeds; in brackets the lowest and the highest"
    return Section(
        dataset=str(results["dataset"]),
        id="training-sets",
        name="Training sets",
        title="Cross-training-set generalisation (E3)",
        text=(
            "M1 (FC100-100-10) and M2 (FC123-456-10) are trained on the first half of the training "
            f"images, P1 ({results['halves'][0]['split']}), M3 (FC100-100-10) on the second, P2 "
            f"({results['halves'][1]['split']}). The test images, distorted until one network is "
            "wrong, are fed to the others; also amplified to a distortion of "
            f"{results['amplify_to']:g} and clipped to [0, 1] (the distortion after clipping "
            "stands in the last column), and with Gaussian noise. The whole was run for "
            f"{seeds} seeds, each with new initial weights; the paper shows one run."
        ),
        parts=(
            Part("The networks (table 3)", key=spread, table=_network_table(results)),
            *(
                Part(
                    f"{formatting.target(target).capitalize()} (table 4)",
                    key=f"{spread}; exact intervals of every run are in {RESULTS}",
                    table=_transfer_table(table),
                )
                for target, table in tables.items()
            ),
        ),
        claims=_claims(results),
        sources=(f"{DIRECTORY}/{RESULTS}",),
        seconds=float(results["seconds"]),
    )


def _network_table(results: Mapping[str, Any]) -> Table:
    rows = []
    for network in results["means"]["networks"]:
        known = paper.HALVES[network["name"]]
        rows.append(
            Row(
                name=network["name"],
                detail=f"{network['model']} on {network['trained_on']}",
                cells=(
                    *(
                        _spread(network["errors"][part], formatting.percent, known.errors[part])
                        for part in _PARTS
                    ),
                    *(
                        _spread(found, formatting.distortion, known.distortion)
                        for found in network["mean_distortion"].values()
                    ),
                ),
            )
        )
    targets = results["means"]["networks"][0]["mean_distortion"]
    return Table(
        corner="Network",
        header=(
            "Error on P1",
            "Error on P2",
            "Test error",
            *(f"Mean distortion, {formatting.target(target)}" for target in targets),
        ),
        rows=tuple(rows),
    )


def _spread(found: Mapping[str, Any], show: Any, papers: float | None) -> Cell:
    values = found["values"]
    return Cell(
        text=show(found["mean"]),
        detail=f"[{show(min(values))}, {show(max(values))}]" if len(values) > 1 else "",
        paper="" if papers is None else show(papers),
    )


def _transfer_table(table: Mapping[str, Any]) -> Table:
    return Table(
        corner="Made for ↓  fed to →",
        header=(*table["columns"], "Mean distortion"),
        rows=tuple(
            Row(
                name=row["name"],
                cells=(
                    *(_transfer_cell(row, cell) for cell in row["cells"]),
                    _spread(row["mean_distortion"], formatting.distortion, None),
                ),
            )
            for row in table["rows"]
        ),
    )


def _transfer_cell(row: Mapping[str, Any], cell: Mapping[str, Any]) -> Cell:
    diagonal = row["made_for"] == cell["model"]
    known = paper.TRANSFER.get(row["name"], {}).get(cell["model"])
    plain = _spread(cell, formatting.percent, known)
    tint = None if diagonal else round(100 * cell["mean"] ** 0.5)
    return Cell(plain.text, plain.detail, plain.paper, tint=tint, diagonal=diagonal)


def _claims(results: Mapping[str, Any]) -> tuple[Claim, ...]:
    tables = results["means"]["tables"]

    def judged(statement: str, rule: str, judge: Any) -> Claim:
        outcomes = ((target, judge(results, target)) for target in tables)
        findings = tuple(
            Finding(formatting.target(target), *outcome) for target, outcome in outcomes if outcome
        )
        return Claim("E3", statement, rule, findings)

    return (
        judged(
            "Adversarial examples remain hard for networks trained on a disjoint training set.",
            "Compares each off-diagonal cell, a mean over the seeds, with the same network’s error "
            "on the weakest noise whose distortion is not below the set’s. Holds when the error on "
            "the set is higher in every cell; partly when in some, or "
            "when no noise is as large as a set.",
            _harder_than_noise,
        ),
        judged(
            "Their effect is larger on a network trained on the same images than on one trained on "
            "others.",
            "Compares, for the sets of M1 and M2, the error of the other network trained on P1 "
            "with that of M3. Holds when it is higher for both sets, means over the seeds; partly "
            "when for one.",
            _same_data_hurts_more,
        ),
        judged(
            "Amplified, they hurt other networks far more.",
            "Holds when every off-diagonal cell of the amplified sets is at least "
            f"{AMPLIFICATION:g} times that of the plain ones, means over the seeds; partly when "
            "some are.",
            _amplified_hurts_more,
        ),
    )


def _rows(results: Mapping[str, Any], target: str) -> Sequence[Mapping[str, Any]]:
    return results["means"]["tables"][target]["rows"]


def _cells(row: Mapping[str, Any], own: bool = False) -> dict[str, float]:
    return {
        cell["model"]: cell["mean"]
        for cell in row["cells"]
        if own or cell["model"] != row["made_for"]
    }


def _plain(results: Mapping[str, Any], target: str) -> list[Mapping[str, Any]]:
    return [row for row in _rows(results, target) if row["name"] == row["made_for"]]


def _amplified(results: Mapping[str, Any], target: str) -> list[Mapping[str, Any]]:
    return [
        row
        for row in _rows(results, target)
        if row["made_for"] is not None and row["name"] != row["made_for"]
    ]


def _harder_than_noise(results: Mapping[str, Any], target: str) -> tuple[Verdict, str] | None:
    rows = _rows(results, target)
    noise = sorted(
        (row for row in rows if row["made_for"] is None and row["mean_distortion"]["mean"] > 0),
        key=lambda row: row["mean_distortion"]["mean"],
    )
    pairs, missing = [], 0
    for row in (row for row in rows if row["made_for"] is not None):
        distortion = row["mean_distortion"]["mean"]
        as_large = [other for other in noise if other["mean_distortion"]["mean"] >= distortion]
        if as_large:
            errors = _cells(as_large[0], own=True)
            pairs += [(error, errors[name]) for name, error in _cells(row).items()]
        else:
            missing += len(_cells(row))
    if not pairs:
        return None
    higher = [error > noise_error for error, noise_error in pairs]
    means = [sum(column) / len(pairs) for column in zip(*pairs, strict=True)]
    verdict = agreeing(higher)
    untold = ""
    if missing:
        verdict = Verdict.PARTLY if verdict is Verdict.HOLDS else verdict
        untold = f" For {missing} cells there is no noise as large."
    return verdict, (
        f"Higher in {sum(higher)} of {len(higher)} cells; on average "
        f"{formatting.percent(means[0])} against {formatting.percent(means[1])} on noise that is "
        f"at least as large.{untold}"
    )


def _same_data_hurts_more(results: Mapping[str, Any], target: str) -> tuple[Verdict, str]:
    checks, evidence = [], []
    for row in _plain(results, target)[:2]:
        same, other = ({"M1": "M2", "M2": "M1"}[row["name"]], "M3")
        errors = _cells(row)
        checks.append(errors[same] > errors[other])
        apart = 0
        for run in results["runs"]:
            cells = {
                cell["model"]: cell
                for found in run["tables"][target]["rows"]
                if found["name"] == row["name"]
                for cell in found["cells"]
            }
            apart += cells[same]["low"] > cells[other]["high"]
        evidence.append(
            f"made for {row['name']}: {same} {formatting.percent(errors[same])}, {other} "
            f"{formatting.percent(errors[other])} (exact intervals apart in {apart} of "
            f"{len(results['runs'])} runs)"
        )
    sentence = "; ".join(evidence)
    return agreeing(checks), f"{sentence[0].upper()}{sentence[1:]}."


def _amplified_hurts_more(results: Mapping[str, Any], target: str) -> tuple[Verdict, str] | None:
    if any(
        row["mean_distortion"]["mean"] >= results["amplify_to"] for row in _plain(results, target)
    ):
        return None  # not amplified
    factors = [
        amplified_cells[name] / error if error else float("inf")
        for plain, amplified in zip(
            _plain(results, target), _amplified(results, target), strict=True
        )
        for amplified_cells in [_cells(amplified)]
        for name, error in _cells(plain).items()
    ]
    return agreeing(factor >= AMPLIFICATION for factor in factors), (
        f"{min(factors):.1f} to {max(factors):.1f} times the error of the plain sets."
    )
