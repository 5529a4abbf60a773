"""The report on all experiments: everything above, laid out as HTML and as Markdown."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from tfblindspots.artifacts import MANIFEST, atomic_path, read_json
from tfblindspots.reports import cross_tables, formatting, paper, tables
from tfblindspots.reports.claims import Claim, Verdict
from tfblindspots.reports.frame_bounds import frame_bounds_section
from tfblindspots.reports.pictures import (
    FIGURES,
    SAMPLES,
    SETS,
    make_pictures,
    write_pictures,
)
from tfblindspots.reports.reading import RESULTS, no_results, read_results
from tfblindspots.reports.regularizers import regularizers_section
from tfblindspots.reports.results import Results
from tfblindspots.reports.sections import Section
from tfblindspots.reports.training_sets import training_sets_section
from tfblindspots.reports.units import units_section
from tfblindspots.reports.verdicts import judge

NETWORKS = "networks"  # directory of E1, E2 and E4
# Of the other experiments, in the order of the report.
SECTIONS = (training_sets_section, units_section, frame_bounds_section, regularizers_section)
HTML = "report.html"
MARKDOWN = "report.md"


def write_report(output_dir: str | os.PathLike[str]) -> Path:
    """Writes the report on a reproduction, from what it left on disk.

    Makes ``report.html``, one file with its pictures inside; ``report.md``, the same as Markdown;
    and the pictures as ``figures/*.png``. Experiments, networks, targets and adversarial sets that
    are absent are left out, and the report says so.

    Args:
      output_dir: directory with what each experiment wrote, in ``networks`` (E1, E2, E4),
        ``training_sets`` (E3), ``units`` (E5), ``frame_bounds`` (E6), ``regularizers`` (E7); the
        report is written there too.

    Returns:
      The path of ``report.html``.

    Raises:
      InputError: there is no ``results.json`` of any experiment, or one does not have the expected
        form.
    """
    root = Path(output_dir)
    made = (make(root) for make in SECTIONS)
    sections = [section for section in made if section is not None]
    networks = root / NETWORKS
    with_networks = (networks / RESULTS).is_file() or not sections
    if with_networks:
        results = read_results(networks)
    else:
        manifest = (root / sections[0].sources[0]).parent / MANIFEST
        found = read_json(manifest) if manifest.is_file() else {}
        results = no_results(sections[0].dataset, found)
    pictures = make_pictures(networks, results, root)
    content = {**_content(results, sections, with_networks), "pictures": pictures}
    for section in sections:
        for part in section.parts:
            write_pictures(root, part.pictures)
    loader = jinja2.PackageLoader("tfblindspots", "reports/templates")
    settings: dict[str, Any] = {
        "loader": loader,
        "trim_blocks": True,
        "lstrip_blocks": True,
        "undefined": jinja2.StrictUndefined,
        "keep_trailing_newline": True,
    }
    for name, escaping in (
        (MARKDOWN, {"finalize": formatting.escape_markdown}),
        (HTML, {"autoescape": True}),
    ):
        environment = jinja2.Environment(**settings, **escaping)
        text = environment.get_template(name).render(content)
        with atomic_path(root / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return root / HTML


def _content(results: Results, sections: Sequence[Section], with_networks: bool) -> dict[str, Any]:
    claims = [*(judge(results) if with_networks else ())]
    claims += [claim for section in sections for claim in section.claims]
    claims.sort(key=lambda claim: claim.experiment)
    with_attacks = [
        target for target in results.targets if any(target in n.attacks for n in results.networks)
    ]
    versions = {"tfblindspots": results.version or "unknown", **results.libraries}
    return {
        "title": f"Blind spots of image classifiers: {results.dataset}",
        "citation": paper.CITATION,
        "results": results,
        "with_networks": with_networks,
        "sections": sections,
        "facts": _facts(results, sections, with_networks),
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
        "claims": claims,
        "tally": _tally(claims),
        "paper_label": tables.paper_label(results.dataset),
        "networks": tables.network_table(results),
        "cross_models": [
            {
                "target": formatting.target(target),
                "table": cross_tables.cross_model_table(results, target),
                "orders": cross_tables.order_notes(results, target),
            }
            for target in results.targets
            if target in results.cross_model
        ],
        "attacks": [
            {
                "target": formatting.target(target),
                "table": tables.attack_table(results, target),
            }
            for target in with_attacks
        ],
        "text": _texts(results, sections, with_networks),
    }


def _facts(
    results: Results, sections: Sequence[Section], with_networks: bool
) -> list[tuple[str, str]]:
    examples = sum(
        attack.count or 0 for network in results.networks for attack in network.attacks.values()
    )
    times = [section.seconds for section in sections]
    if results.seconds is not None:
        times.append(results.seconds)
    about_networks = [
        ("Training images", formatting.count(results.train_count)),
        ("Test images", formatting.count(results.test_count)),
        ("Networks", str(len(results.networks))),
        ("Adversarial examples", formatting.count(examples)),
        ("Seed", formatting.MISSING if results.seed is None else str(results.seed)),
        ("Made", results.created or formatting.MISSING),
    ]
    return [
        ("Dataset", results.dataset),
        ("Time, all together", formatting.duration(sum(times) if times else None)),
        *(about_networks if with_networks else ()),
    ]


def _tally(claims: Sequence[Claim]) -> str:
    counts = Counter(claim.verdict for claim in claims)
    return ", ".join(
        f"{counts[verdict]}\N{NO-BREAK SPACE}× {verdict.value}"
        for verdict in Verdict
        if counts[verdict]
    )


def _texts(results: Results, sections: Sequence[Section], with_networks: bool) -> dict[str, str]:
    own = (f"{NETWORKS}/{RESULTS}",) if with_networks else ()
    sources = [*own, *(source for section in sections for source in section.sources)]
    sets = (
        f"pictures and distributions of E1 and E4 from {NETWORKS}/{SETS}/TARGET/NETWORK; "
        if with_networks
        else ""
    )
    command = f" The command was {results.command}." if results.command else ""
    return {
        "absent": "Not measured in this run.",
        "networks": (
            "Error rates with exact (Clopper-Pearson) intervals, and the mean minimum distortion, "
            "the root mean square change of a pixel, over all attacked images; an image that is "
            "misclassified to begin with counts 0. The paper does not say how it chose the target "
            "classes: its one distortion stands beneath each of ours."
        ),
        "cross": (
            "The attacked training images, distorted until the network that a row names is wrong, "
            "fed to the network that a column names: error rates. Below them the same images clean "
            "and with Gaussian noise."
        ),
        "examples": (
            f"{SAMPLES} images drawn at random with the run’s seed, the same for every network, "
            "none picked. Above each column the network’s class before and after, and the "
            "distortion; an image that was misclassified to begin with is left as it is."
        ),
        "attacks": (
            "Success is the share of the correctly classified images for which an adversarial "
            "image was found. The mean distortion is over all images, misclassified ones counting "
            "0; the figures after it are over the correctly classified ones. Evaluations of value "
            "and gradient are means for an image."
        ),
        "sources": (
            f"Tables and verdicts come from {', '.join(sources)}; {sets}all pictures are "
            f"in {FIGURES}. The {MANIFEST} beside each of these says with what flags, versions and "
            f"data it was made.{command} The paper’s numbers: {paper.CITATION}, section 4, all "
            "measured on MNIST."
        ),
    }
