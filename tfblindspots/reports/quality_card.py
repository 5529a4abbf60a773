"""The quality card of an attack as lines for a terminal and as Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfblindspots.reports import formatting
from tfblindspots.reports.formatting import escape_markdown


def quality_card_lines(manifest: Mapping[str, Any]) -> list[str]:
    """What an attack came to, and what is wrong with that, for a terminal.

    Args:
      manifest: of an adversarial set, with its ``summary``. Without ``quality_card``, as earlier
        versions left it, there are no warnings to show, which the last line says.

    Returns:
      Lines: success, distortion, its quantiles, cost, why the searches ended, what was checked; one
      a warning, and one where there are none.
    """
    facts = [f"{_title(manifest)}: {_success(manifest['summary'])}", *_facts(manifest)]
    if "quality_card" not in manifest:
        return [*facts, "no quality card: the set was made by an earlier version"]
    warnings = [f"warning: {warning['text']}" for warning in manifest["quality_card"]["warnings"]]
    return [*facts, *(warnings or ["no warnings"])]


def quality_card_markdown(manifest: Mapping[str, Any]) -> str:
    """The same as a page of its own.

    Args:
      manifest: of an adversarial set, with ``summary`` and ``quality_card``.
    """
    warnings = manifest["quality_card"]["warnings"]
    return (
        f"# Quality card: {escape_markdown(_title(manifest))}\n\n"
        + _bullets([_success(manifest["summary"]), *_facts(manifest)])
        + "\n## Warnings\n\n"
        + _bullets([f"{warning['id']}: {warning['text']}" for warning in warnings] or ["none"])
    )


def _title(manifest: Mapping[str, Any]) -> str:
    return (
        f"{manifest['model']['name']} on {manifest['dataset']} {manifest['split']}, "
        f"target {manifest['attack']['target']}"
        f"{', for images of 8 bits' if _for_eight_bits(manifest) else ''}"
    )


def _success(summary: Mapping[str, Any]) -> str:
    return (
        f"{formatting.percent(summary['success_rate'])} success on "
        f"{formatting.count(summary['attacked'])} correctly classified of "
        f"{formatting.count(summary['count'])} images"
    )


def _facts(manifest: Mapping[str, Any]) -> list[str]:
    summary = manifest["summary"]
    quantiles = [
        f"{100 * float(share):g} % {formatting.distortion(value)}"
        for share, value in summary["quantiles"].items()
    ]
    ended = [f"{name} {formatting.count(n)}" for name, n in summary["statuses"].items()]
    facts = [
        f"distortion: mean {formatting.distortion(summary['mean_distortion'])} over all; of the "
        f"correctly classified mean {formatting.distortion(summary['mean_distortion_correct'])}, "
        f"median {formatting.distortion(summary['median_distortion_correct'])}",
        f"quantiles of the correctly classified: {', '.join(quantiles) or formatting.MISSING}",
        *_eight_bit(manifest),
        f"{formatting.count(summary['mean_evaluations'])} evaluations an image, "
        f"{formatting.duration(summary['seconds'])}, compiling included: "
        f"{formatting.count(summary['images_per_second'])} images/s",
        f"ended: {', '.join(ended)}",
    ]
    if "quality_card" in manifest:
        checks = manifest["quality_card"]["checks"]
        output = "probabilities" if checks["probabilities"] else "logits"
        facts.append(
            f"checked: the model, which gives {output}, on {formatting.count(checks['checked'])} "
            "images"
        )
    return facts


def _eight_bit(manifest: Mapping[str, Any]) -> list[str]:
    summary = manifest["summary"]
    # Without: of an earlier version. None: nothing succeeded that could be lost.
    stay = summary.get("success_rate_uint8")
    if stay is None or _for_eight_bits(manifest):
        return []
    line = f"in 8 bits: {formatting.percent(stay)} of the successes stay one"
    if summary["mean_ratio_uint8"] is not None:
        line += (
            f", mean distortion {formatting.distortion(summary['mean_distortion_uint8'])}, in the "
            f"mean {summary['mean_ratio_uint8']:.3f} times the float's"
        )
    return [line]


def _for_eight_bits(manifest: Mapping[str, Any]) -> bool:
    """Whether the images that were searched for are themselves of 8 bits."""
    return bool(manifest["attack"].get("bits") == 8)


def _bullets(lines: Sequence[str]) -> str:
    return "".join(f"- {escape_markdown(line)}\n" for line in lines)
