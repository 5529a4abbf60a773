"""E7 in the report: whether feeding adversarial examples back helps, and those of which layers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfblindspots.reports import formatting, paper
from tfblindspots.reports.claims import Claim, Finding, Verdict
from tfblindspots.reports.figures import png
from tfblindspots.reports.pictures import FIGURES, Picture
from tfblindspots.reports.regularizer_figures import learning_curves_figure
from tfblindspots.reports.sections import (
    RESULTS,
    Part,
    Section,
    read_section,
)
from tfblindspots.reports.tables import Cell, Row, Table, mean_cell

DIRECTORY = "regularizers"
NAMES = {
    "none": "no regularisation",
    "weight_decay": "weight decay",
    "dropout": "dropout",
    "pool_images": "pool: images",
    "pool_hidden_1": "pool: hidden_1",
    "pool_hidden_2": "pool: hidden_2",
    "pool_all": "pools: all layers",
}
_LEAST_SEEDS = 3
_ROUNDING = 1e-9
_ALL = "pool_all"
_IMAGES = "pool_images"
_HIDDEN = ("pool_hidden_1", "pool_hidden_2")


def regularizers_section(root: Path) -> Section | None:
    """The section on what ``compare_regularizers`` wrote into ``ROOT/regularizers``.

    Args:
      root: directory of the report.

    Returns:
      The section; None where the experiment was not run.

    Raises:
      InputError: the results do not have the form that the experiment writes.
    """
    return read_section(root / DIRECTORY, _section)


def _section(results: Mapping[str, Any]) -> Section:
    variants, flags = results["variants"], results["flags"]
    seeds = len(variants["none"]["runs"])
    epochs = len(variants["none"]["curve"]["mean"])
    size = max(
        pool["size"]
        for found in variants.values()
        for run in found["runs"]
        for pool in run["pools"].values()
    )
    decay, dropout = variants["weight_decay"], variants["dropout"]
    return Section(
        dataset=str(results["dataset"]),
        id="regularizers",
        name="Pools",
        title="Feeding adversarial examples back (E7)",
        text=(
            f"{flags['model'].upper()} trained by Adam for {epochs} epochs in seven ways, each "
            f"from {seeds} seeds. A full pool holds {formatting.count(size)} adversarial examples "
            f"of the training images; every {flags['pool_interval']} steps "
            f"{formatting.count(min(size, flags['pool_renewal']))} new "
            "ones of the network as it then is take the place of others, and every step trains on "
            f"{flags['pool_share']:g} of its examples for each clean image. A hidden layer’s "
            "examples are changes of its output and train the layers above it alone. Each "
            "perturbation is the nearest that "
            f"{flags['pool_max_evaluations']} evaluations found, untargeted, scaled to a "
            f"distortion of {flags['pool_distortion']:g}. Weight decay adds "
            f"{formatting.weight_decay(decay['weight_decay'])} of the sum of all squared weights, "
            f"dropout drops {formatting.percent(dropout['pixel_dropout'])} of the pixels and "
            f"{formatting.percent(dropout['unit_dropout'])} of the hidden units; these were the "
            "best of several strengths on MNIST, on training images held out. The paper’s network "
            "had weight decay beside its pools; here pools are alone."
        ),
        parts=(
            Part(
                "What each gives",
                key="mean of the seeds; [low, high]: its 95 % interval by Student’s t; exact "
                f"intervals of every run are in {RESULTS}; evaluations a step: of value and "
                "gradient for one example each, spent on making examples, beside the step’s own",
                table=_table(variants),
            ),
            Part(
                "Learning curves",
                pictures=(
                    Picture(
                        f"{FIGURES}/{DIRECTORY}_learning_curves.png",
                        png(
                            learning_curves_figure(
                                {NAMES[name]: found["curve"] for name, found in variants.items()}
                            )
                        ),
                        "Learning curves",
                        "Test error after each epoch, mean of the seeds; bands reach from the "
                        "lowest to the highest.",
                    ),
                ),
            ),
        ),
        claims=_claims(variants),
        sources=(f"{DIRECTORY}/{RESULTS}",),
        seconds=float(results["seconds"]),
    )


def _table(variants: Mapping[str, Any]) -> Table:
    rows = []
    for name, found in variants.items():
        steps = sum(pool["evaluations_per_step"] for pool in found["runs"][0]["pools"].values())
        rows.append(
            Row(
                name=NAMES[name],
                cells=(
                    mean_cell(
                        found["test_error"], formatting.percent, paper.REGULARIZED.get(name, "")
                    ),
                    _difference(found["error_differences"].get("none")),
                    mean_cell(found["mean_distortion"], formatting.distortion),
                    mean_cell(found["distortion_ratio"], "{:.2f}".format),
                    Cell(formatting.count(steps) if steps else formatting.MISSING),
                    Cell(formatting.duration(found["seconds"]["mean"])),
                ),
            )
        )
    return Table(
        corner="Trained with",
        header=(
            "Test error",
            "Against none, points",
            "Mean distortion",
            "Against none, times",
            "Evaluations a step",
            "Time",
        ),
        rows=tuple(rows),
    )


def _difference(found: Mapping[str, Any] | None) -> Cell:
    return Cell(_points(found)) if found else Cell(formatting.MISSING)


def _points(found: Mapping[str, Any]) -> str:
    text = f"{100 * found['mean']:+.2f}"
    if found["low"] is None:
        return text
    return f"{text} [{100 * found['low']:+.2f}, {100 * found['high']:+.2f}]"


def _claims(variants: Mapping[str, Any]) -> tuple[Claim, ...]:
    error = variants[_ALL]["test_error"]
    return (
        Claim(
            "E7",
            "Adversarial examples of all layers, fed back in training, take the test error below "
            f"{100 * paper.POOL_BOUND:g} %, below weight decay and below dropout.",
            "The bound: holds when the 95 % interval of the mean over the seeds lies below it, "
            "partly when the mean alone does. The others: as much for the difference in test "
            "error, paired by seed, and 0. With fewer than "
            f"{_LEAST_SEEDS} seeds nothing holds more than partly. The intervals are of the seeds; "
            "that other test images would give other errors is not in them.",
            (
                Finding(
                    f"against {100 * paper.POOL_BOUND:g} %",
                    _below(error, paper.POOL_BOUND),
                    f"Test error {formatting.percent(error['mean'])}{_interval(error)}.",
                ),
                *_comparisons(variants, [_ALL], ["weight_decay", "dropout"]),
            ),
        ),
        Claim(
            "E7",
            "Adversarial examples of higher layers help more than those of the input or of lower "
            "layers.",
            "Compares a hidden layer’s pool alone with the images’ and with the lower layer’s, by "
            "the difference in test error paired by seed. Holds when its 95 % interval lies below "
            "0, partly when the mean alone does.",
            (
                *_comparisons(variants, _HIDDEN, [_IMAGES]),
                *_comparisons(variants, _HIDDEN[1:], _HIDDEN[:1]),
            ),
        ),
    )


def _comparisons(
    variants: Mapping[str, Any], names: Sequence[str], others: Sequence[str]
) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            f"{NAMES[name]} against {NAMES[other]}",
            _below(difference, 0),
            f"Test error {formatting.percent(variants[name]['test_error']['mean'])} against "
            f"{formatting.percent(variants[other]['test_error']['mean'])}, a difference of "
            f"{_points(difference)} points.",
        )
        for name in names
        for other in others
        for difference in [variants[name]["error_differences"][other]]
    )


def _below(found: Mapping[str, Any], bound: float) -> Verdict:
    if found["mean"] >= bound - _ROUNDING:
        return Verdict.FAILS
    # Two seeds can agree by chance, and then their interval has no width.
    enough = len(found["values"]) >= _LEAST_SEEDS and found["high"] > found["low"]
    return Verdict.HOLDS if enough and found["high"] < bound else Verdict.PARTLY


def _interval(found: Mapping[str, Any]) -> str:
    return "" if found["low"] is None else f" {formatting.interval(found['low'], found['high'])}"
