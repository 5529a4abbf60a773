"""E6 in the report: frame bounds, what penalising them does, and what they prove."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfblindspots.reports import formatting, paper
from tfblindspots.reports.claims import Claim, Finding, Verdict
from tfblindspots.reports.reading import RESULTS
from tfblindspots.reports.sections import Part, Section, read_section
from tfblindspots.reports.tables import Cell, Row, Table, mean_cell

DIRECTORY = "frame_bounds"
_NONE = "none"
_LEAST_SEEDS = 3


def frame_bounds_section(root: Path) -> Section | None:
    """The section on what ``compare_frame_bound_penalties`` wrote into ``ROOT/frame_bounds``.

    Args:
      root: directory of the report.

    Returns:
      The section; None where the experiment was not run.

    Raises:
      InputError: the results do not have the form that the experiment writes.
    """
    return read_section(root / DIRECTORY, _section)


def _section(results: Mapping[str, Any]) -> Section:
    penalties = results["penalties"]
    seeds = len(penalties[_NONE]["runs"])
    return Section(
        dataset=str(results["dataset"]),
        id=DIRECTORY,
        name="Frame bounds",
        title="Frame bounds of the layers (E6)",
        text=(
            f"{results['flags']['model'].capitalize()} trained from {seeds} seeds each without and "
            "with a penalty: its weight times the sum of the norms of all layers, added to the "
            "loss. A layer’s upper frame bound is the largest factor by which it changes a "
            "distance; all of them, multiplied, bound how much farther apart than two images their "
            "logits can be. Below the margin over √2 times that bound no change of an image can "
            "turn its class: this distance is proved to be safe."
        ),
        parts=(
            Part(
                "What the penalty does",
                key="mean of the seeds; [low, high]: its 95 % interval by Student’s t; bound: of "
                "the network; measured: the largest ratio of the distance between an adversarial "
                "image’s logits and its original’s to the distance between the images; safe: below "
                "it the bound proves that there is no adversarial image; found: the nearest",
                table=_effects(penalties),
            ),
            Part("Upper frame bounds by layer", table=_layers(penalties)),
            Part(
                "The paper’s AlexNet",
                text="Table 5, for comparison: upper frame bounds of AlexNet’s layers, trained on "
                "ImageNet.",
                table=Table(
                    corner="Layer",
                    header=("Kernel", "Upper bound"),
                    rows=tuple(
                        Row(
                            layer.title,
                            (Cell("×".join(map(str, layer.kernel))), Cell(f"{layer.bound:g}")),
                        )
                        for layer in paper.FRAME_BOUNDS
                    ),
                ),
            ),
        ),
        claims=_claims(penalties),
        sources=(f"{DIRECTORY}/{RESULTS}",),
        seconds=float(results["seconds"]),
    )


def _effects(penalties: Mapping[str, Any]) -> Table:
    return Table(
        corner="Penalty",
        header=(
            "Test error",
            "Mean distortion",
            "Against none, times",
            "Bound",
            "Measured",
            "Safe, L2",
            "Found, L2",
        ),
        rows=tuple(
            Row(
                name=name,
                cells=(
                    mean_cell(found["test_error"], formatting.percent),
                    mean_cell(found["distortion"], formatting.distortion),
                    mean_cell(found["distortion_ratio"], "{:.2f}".format),
                    mean_cell(found["bound"], "{:.4g}".format),
                    mean_cell(found["expansion"], "{:.3g}".format),
                    mean_cell(found["certified"], formatting.distortion),
                    mean_cell(found["found"], formatting.distortion),
                ),
            )
            for name, found in penalties.items()
        ),
    )


def _layers(penalties: Mapping[str, Any]) -> Table:
    layers = list(penalties[_NONE]["upper"])
    return Table(
        corner="Penalty",
        header=tuple(layers),
        rows=tuple(
            Row(name, tuple(mean_cell(found["upper"][layer], "{:.3g}".format) for layer in layers))
            for name, found in penalties.items()
        ),
    )


def _claims(penalties: Mapping[str, Any]) -> tuple[Claim, ...]:
    first = next(iter(penalties[_NONE]["upper"]))
    lowest = min(run["upper"][first] for run in penalties[_NONE]["runs"])
    return (
        Claim(
            "E6",
            "Instability can appear as soon as in the first layer: its upper frame bound is above "
            "1.",
            "Holds when it is above 1 without a penalty for every seed.",
            (
                Finding(
                    first,
                    Verdict.HOLDS if lowest > 1 else Verdict.FAILS,
                    f"At least {lowest:.3g}; the paper’s first convolution of AlexNet: "
                    f"{paper.FRAME_BOUNDS[0].bound:g}.",
                ),
            ),
        ),
        Claim(
            "E6",
            "Penalising the upper bounds of the layers is a regularisation that makes adversarial "
            "examples lie farther away.",
            "Holds when the 95 % interval of the ratio of mean minimum distortions, paired by "
            "seed, lies above 1, partly when the mean alone does, or with fewer than "
            f"{_LEAST_SEEDS} seeds.",
            tuple(
                Finding(
                    f"penalty {name}",
                    _above_1(found["distortion_ratio"]),
                    f"Mean minimum distortion {found['distortion_ratio']['mean']:.2f} times that "
                    "without; test error "
                    f"{formatting.percent(found['test_error']['mean'])} against "
                    f"{formatting.percent(penalties[_NONE]['test_error']['mean'])}.",
                )
                for name, found in penalties.items()
                if name != _NONE
            ),
        ),
    )


def _above_1(found: Mapping[str, Any]) -> Verdict:
    if found["mean"] <= 1:
        return Verdict.FAILS
    enough = len(found["values"]) >= _LEAST_SEEDS
    return Verdict.HOLDS if enough and found["low"] > 1 else Verdict.PARTLY
