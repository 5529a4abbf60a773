"""The card as it is read."""

from typing import Any

import pytest

from tfblindspots.reports import quality_card_lines, quality_card_markdown


@pytest.fixture
def manifest() -> dict[str, Any]:
    return {
        "model": {"name": "my_model", "fingerprint": "0"},
        "dataset": "digits",
        "split": "test[:40]",
        "attack": {"target": "random"},
        "summary": {
            "count": 40,
            "attacked": 32,
            "success_rate": 0.75,
            "mean_distortion": 0.0423,
            "mean_distortion_correct": 0.0564,
            "median_distortion_correct": 0.05,
            "quantiles": {"0.05": 0.01, "0.5": 0.05, "0.95": 0.1},
            "mean_evaluations": 45.13,
            "seconds": 1.25,
            "images_per_second": 32.0,
            "statuses": {"converged": 24, "no adversarial image found": 8},
        },
        "quality_card": {
            "checks": {"checked": 32, "probabilities": True},
            "warnings": [
                {"id": "not_found", "bias": "either", "text": "8 of 32 failed; raise max_it."},
                {"id": "flat_losses", "bias": "too robust", "text": "1 of 32 are flat."},
            ],
        },
    }


def test_lines(manifest: dict[str, Any]) -> None:
    assert [line.replace("\N{NO-BREAK SPACE}", " ") for line in quality_card_lines(manifest)] == [
        "my_model on digits test[:40], target random: 75.0 % success on 32 correctly classified of "
        "40 images",
        "distortion: mean 0.0423 over all; of the correctly classified mean 0.0564, median 0.0500",
        "quantiles of the correctly classified: 5 % 0.0100, 50 % 0.0500, 95 % 0.100",
        "45.1 evaluations an image, 1.25 s, compiling included: 32 images/s",
        "ended: converged 24, no adversarial image found 8",
        "checked: the model, which gives probabilities, on 32 images",
        "warning: 8 of 32 failed; raise max_it.",
        "warning: 1 of 32 are flat.",
    ]


def test_markdown(manifest: dict[str, Any]) -> None:
    text = quality_card_markdown(manifest).replace("\N{NO-BREAK SPACE}", " ")
    title, _, success, *facts = text.partition("\n## Warnings\n\n")[0].splitlines()
    assert title == r"# Quality card: my\_model on digits test\[:40\], target random"
    assert success == "- 75.0 % success on 32 correctly classified of 40 images"
    assert [fact.partition(":")[0] for fact in facts] == [
        "- distortion",
        "- quantiles of the correctly classified",
        "- 45.1 evaluations an image, 1.25 s, compiling included",
        "- ended",
        "- checked",
    ]
    assert text.partition("\n## Warnings\n\n")[2] == (
        "- not\\_found: 8 of 32 failed; raise max\\_it.\n- flat\\_losses: 1 of 32 are flat.\n"
    )


def test_nothing_wrong(manifest: dict[str, Any]) -> None:
    manifest["quality_card"]["warnings"] = []
    assert quality_card_lines(manifest)[-1] == "no warnings"
    assert quality_card_markdown(manifest).endswith("\n## Warnings\n\n- none\n")


def test_nothing_attacked(manifest: dict[str, Any]) -> None:
    manifest["summary"] |= {
        "attacked": 0,
        "success_rate": None,
        "mean_distortion_correct": None,
        "median_distortion_correct": None,
        "quantiles": {},
        "mean_evaluations": None,
    }
    lines = quality_card_lines(manifest)
    assert lines[0].endswith("target random: – success on 0 correctly classified of 40 images")
    assert lines[2] == "quantiles of the correctly classified: –"
    assert "nan" not in quality_card_markdown(manifest)


def test_a_set_made_before_there_were_cards(manifest: dict[str, Any]) -> None:
    with_card = quality_card_lines(manifest)
    del manifest["quality_card"]
    assert quality_card_lines(manifest) == [
        *with_card[:5],
        "no quality card: the set was made by an earlier version",
    ]


def test_what_holds_in_8_bits(manifest: dict[str, Any]) -> None:
    without = quality_card_lines(manifest)
    manifest["summary"] |= {
        "success_rate_uint8": 0.875,
        "mean_distortion_uint8": 0.0123,
        "mean_ratio_uint8": 1.2345,
    }
    lines = quality_card_lines(manifest)
    assert lines.pop(3).replace("\N{NO-BREAK SPACE}", " ") == (
        "in 8 bits: 87.5 % of the successes stay one, mean distortion 0.0123, in the mean 1.234 "
        "times the float's"
    )
    assert lines == without
    # All are lost.
    manifest["summary"] |= {"success_rate_uint8": 0.0, "mean_ratio_uint8": None}
    line = quality_card_lines(manifest)[3].replace("\N{NO-BREAK SPACE}", " ")
    assert line == "in 8 bits: 0 % of the successes stay one"
    # There was nothing to lose.
    manifest["summary"]["success_rate_uint8"] = None
    assert quality_card_lines(manifest) == without


def test_an_attack_for_8_bits_has_no_floats_to_compare_with(manifest: dict[str, Any]) -> None:
    title, *facts = quality_card_lines(manifest)
    manifest["attack"]["bits"] = 8
    manifest["summary"] |= {
        "success_rate_uint8": 1.0,
        "mean_distortion_uint8": 0.0564,
        "mean_ratio_uint8": 1.0,
    }
    lines = quality_card_lines(manifest)
    assert lines[0] == title.replace("target random:", "target random, for images of 8 bits:")
    assert lines[1:] == facts
    assert "target random, for images of 8 bits\n" in quality_card_markdown(manifest)
