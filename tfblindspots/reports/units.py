"""E5 in the report: whether units say more about images than random directions do."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfblindspots.reports import formatting
from tfblindspots.reports.claims import Claim, Finding, Verdict
from tfblindspots.reports.pictures import FIGURES, Picture
from tfblindspots.reports.sections import RESULTS, Part, Section, malformed, read_section_results
from tfblindspots.reports.tables import Cell, Row, Table

DIRECTORY = "units"
# Cliff's delta below which an effect is called negligible, and from which on large (Romano et al.,
# Appropriate statistics for ordinal level data, 2006).
NEGLIGIBLE, LARGE = 0.147, 0.474
_MEASURES = {
    "purity": "Label purity",
    "entropy": "Label entropy, bits",
    "pixels": "Cosine similarity, pixels",
    "features": "Cosine similarity, features",
}
# Of entropy less is more coherent.
_FALLING = ("entropy",)
_KINDS = {"random": "random directions", "whitened": "random directions, whitened"}
_PICTURES = {
    "units.png": ("Units", "The images that maximise units, a row a unit."),
    "random_directions.png": (
        "Random directions",
        "The images that maximise random directions, a row a direction.",
    ),
    "whitened_directions.png": (
        "Random directions, whitened",
        "The images that maximise random directions of the whitened activations.",
    ),
    "coherence.png": (
        "How alike the images are",
        "Share of the units or directions whose measure is at most the value below; triangles "
        "mark the means.",
    ),
}


def units_section(root: Path) -> Section | None:
    """The section on what ``inspect_units`` wrote into ``ROOT/units/LAYER``.

    Args:
      root: directory of the report.

    Returns:
      The section; None where the experiment was not run.

    Raises:
      InputError: the results do not have the form that the experiment writes.
    """
    parent = root / DIRECTORY
    found = {}
    for path in sorted(parent.iterdir()) if parent.is_dir() else ():
        results = read_section_results(path) if path.is_dir() else None
        if results is not None:
            found[path.name] = results
    if not found:
        return None
    try:
        return _section(root, found)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise malformed(parent, error) from None


def _section(root: Path, found: Mapping[str, Mapping[str, Any]]) -> Section:
    first = next(iter(found.values()))
    top = first["flags"]["top"]
    features = ""
    if first["reference"]:
        features = (
            f", and in the features (layer {first['reference']['layer']}) of another network, "
            f"{first['reference']['model']}, trained apart"
        )
    return Section(
        dataset=str(first["dataset"]["name"]),
        id="units",
        name="Units",
        title="Units against random directions (E5)",
        text=(
            f"For each unit of a layer of {first['model']}, and for each random direction of the "
            f"layer’s activation space, the {top} of {formatting.count(first['dataset']['count'])} "
            f"images of {first['dataset']['name']} {first['dataset']['split']} that lie farthest "
            "along it. The paper judges by eye how much the images of a row have in common. Here "
            "it is measured: by how far their labels agree, and by the mean cosine similarity of "
            f"all their pairs, in pixels{features}. Most random directions follow the few leading "
            "principal components of the activations, so directions that are random after "
            "whitening (in the leading components) are compared too. Rows are drawn at random, "
            "none picked."
        ),
        parts=tuple(
            Part(
                f"Layer {name}: {len(results['kinds']['units']['numbers'])} of "
                f"{results['units']:,} units ({results['moving_units']:,} are moved by at least "
                f"{top} images), {results['flags']['num_directions']:,} directions",
                table=_table(results),
                key="differences with their 95 % bootstrap interval; Cliff’s delta is how much "
                "more often a unit is above a direction than below, from −1 to 1; p of a "
                "permutation test",
                pictures=_pictures(root, name),
            )
            for name, results in found.items()
        ),
        claims=(_claim(found),),
        sources=tuple(f"{DIRECTORY}/{name}/{RESULTS}" for name in found),
        seconds=sum(float(results["seconds"]) for results in found.values()),
    )


def _table(results: Mapping[str, Any]) -> Table:
    rows = []
    for kind, measures in results["comparisons"].items():
        for measure, found in measures.items():
            difference = f"{found['difference']:+.3f}"
            rows.append(
                Row(
                    name=_MEASURES[measure],
                    detail=f"against {_KINDS[kind]}",
                    cells=(
                        Cell(f"{found['units']:.3f}"),
                        Cell(f"{found['directions']:.3f}"),
                        Cell(difference, detail=f"[{found['low']:+.3f}, {found['high']:+.3f}]"),
                        Cell(f"{found['effect_size']:+.2f}"),
                        Cell(f"{found['p_value']:.4f}"),
                    ),
                )
            )
    return Table(
        corner="Measure",
        header=("Units", "Directions", "Difference", "Cliff’s delta", "p"),
        rows=tuple(rows),
    )


def _pictures(root: Path, layer: str) -> tuple[Picture, ...]:
    pictures = []
    for file, (title, caption) in _PICTURES.items():
        path = root / DIRECTORY / layer / file
        if path.is_file():
            copy = f"{FIGURES}/{DIRECTORY}_{layer}_{file}"
            pictures.append(Picture(copy, path.read_bytes(), f"{title}, {layer}", caption))
    return tuple(pictures)


def _claim(found: Mapping[str, Mapping[str, Any]]) -> Claim:
    findings = []
    for name, results in found.items():
        for kind, measures in results["comparisons"].items():
            effects = {
                measure: (-1 if measure in _FALLING else 1) * values["effect_size"]
                for measure, values in measures.items()
            }
            most = max(effects, key=lambda measure: effects[measure])
            if effects[most] < NEGLIGIBLE:
                verdict = Verdict.HOLDS
            else:
                verdict = Verdict.PARTLY if effects[most] < LARGE else Verdict.FAILS
            shown = "; ".join(
                f"{_MEASURES[measure].lower()} {values['units']:.3f} against "
                f"{values['directions']:.3f} (delta {values['effect_size']:+.2f})"
                for measure, values in measures.items()
            )
            findings.append(Finding(f"layer {name}, {_KINDS[kind]}", verdict, f"Units: {shown}."))
    return Claim(
        "E5",
        "Random directions give images as coherent as units do.",
        "Takes the measure on which units are most above random directions in coherence (of "
        f"entropy, below). Holds when Cliff’s delta there is below {NEGLIGIBLE:g}, which is "
        f"called negligible; partly when below {LARGE:g}, from which on it is called large.",
        tuple(findings),
    )
