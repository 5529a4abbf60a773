"""The report on E1, E2 and E4: everything above, laid out as HTML and as Markdown."""

import html
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from tfblindspots.artifacts import MANIFEST, atomic_path
from tfblindspots.reports import cross_tables, formatting, paper, tables
from tfblindspots.reports.pictures import FIGURES, SAMPLES, SETS, make_pictures
from tfblindspots.reports.reading import RESULTS, read_results
from tfblindspots.reports.results import Results
from tfblindspots.reports.verdicts import Claim, Verdict, judge

HTML = "report.html"
MARKDOWN = "report.md"
_MARKDOWN_SYNTAX = re.compile(r"([\\`*_\[\]{}|~#$])")


def write_report(output_dir: str | os.PathLike[str]) -> Path:
    """Writes the report on a reproduction, from what it left on disk.

    Makes ``report.html``, one file with its pictures inside; ``report.md``, the same as Markdown;
    and the pictures as ``figures/*.png``. Networks, targets and adversarial sets that are absent
    are left out, and the report says so.

    Args:
      output_dir: directory with ``results.json``, perhaps ``manifest.json``, and
        ``adversarial_sets/TARGET/NAME/``; the report is written there too.

    Returns:
      The path of ``report.html``.

    Raises:
      InputError: there is no ``results.json``, or it does not have the expected form.
    """
    root = Path(output_dir)
    results = read_results(root)
    content = _content(results)
    content["pictures"] = make_pictures(root, results)
    loader = jinja2.PackageLoader("tfblindspots", "reports/templates")
    settings: dict[str, Any] = {
        "loader": loader,
        "trim_blocks": True,
        "lstrip_blocks": True,
        "undefined": jinja2.StrictUndefined,
        "keep_trailing_newline": True,
    }
    for name, escaping in (
        (MARKDOWN, {"finalize": escape_markdown}),
        (HTML, {"autoescape": True}),
    ):
        environment = jinja2.Environment(**settings, **escaping)
        text = environment.get_template(name).render(content)
        with atomic_path(root / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return root / HTML


def escape_markdown(value: object) -> str:
    """Makes text harmless in Markdown, table cells included: it is shown as it is."""
    if isinstance(value, Markup):
        return value
    return _MARKDOWN_SYNTAX.sub(r"\\\1", html.escape(" ".join(str(value).split()), quote=False))


def _content(results: Results) -> dict[str, Any]:
    claims = judge(results)
    versions = {"tfblindspots": results.version or "unknown", **results.libraries}
    with_attacks = [
        target for target in results.targets if any(target in n.attacks for n in results.networks)
    ]
    return {
        "title": f"Blind spots of image classifiers: {results.dataset}",
        "citation": paper.CITATION,
        "results": results,
        "facts": _facts(results),
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
        "claims": claims,
        "target_name": formatting.target,
        "tally": _tally(claims),
        "paper_label": tables.paper_label(results),
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
        "text": _texts(results),
    }


def _facts(results: Results) -> list[tuple[str, str]]:
    examples = sum(
        attack.count or 0 for network in results.networks for attack in network.attacks.values()
    )
    return [
        ("Dataset", results.dataset),
        ("Training images", formatting.count(results.train_count)),
        ("Test images", formatting.count(results.test_count)),
        ("Networks", str(len(results.networks))),
        ("Adversarial examples", formatting.count(examples)),
        ("Time, all together", formatting.duration(results.seconds)),
        ("Seed", formatting.MISSING if results.seed is None else str(results.seed)),
        ("Made", results.created or formatting.MISSING),
    ]


def _tally(claims: tuple[Claim, ...]) -> str:
    counts = Counter(claim.verdict for claim in claims)
    return ", ".join(
        f"{counts[verdict]}\N{NO-BREAK SPACE}× {verdict.value}"
        for verdict in Verdict
        if counts[verdict]
    )


def _texts(results: Results) -> dict[str, str]:
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
            f"Tables and verdicts come from {RESULTS}, pictures and distributions from "
            f"{SETS}/TARGET/NETWORK (files in {FIGURES}), versions and flags from {MANIFEST}, all "
            f"in the directory of this report.{command} The paper’s numbers: {paper.CITATION}, "
            "section 4, all measured on MNIST."
        ),
    }
