"""scripts/verify_set.py: what it prints, and its exit status."""

import json
import shutil
from pathlib import Path

import pytest

from tests.adversarial_sets.tampering import (
    EXAMPLE_SET,
    MODEL,
    copy_of,
    forge_examples,
    forge_manifest,
    shards,
)
from tests.scripts.conftest import Outcome, RunScript
from tfblindspots.artifacts import MANIFEST, read_json, write_json

OTHER_MODEL = MODEL.with_name("fc200-200-10")


@pytest.fixture
def a_set(tmp_path: Path) -> Path:
    return copy_of(EXAMPLE_SET, tmp_path / "set")


def test_a_set_that_holds(run_script: RunScript, tmp_path: Path) -> None:
    outcome = run_script(
        "verify_set",
        adversarial_set=EXAMPLE_SET,
        saved_model=MODEL,
        spot_checks=20,
        json=tmp_path / "found.json",
    )
    assert (outcome.status, outcome.err) == (0, "")
    *checks, last = outcome.out.splitlines()
    assert [line.split(":")[0].split() for line in checks] == [
        ["holds", name]
        for name in (
            *("files", "dataset", "model", "settings", "values", "originals", "predictions"),
            *("success", "distortions", "minimality", "summary"),
        )
    ]
    assert "of 20 examples drawn" in outcome.out
    assert last.startswith(f"verified: {EXAMPLE_SET} (360 examples in ")
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["holds"] is True
    assert [check["name"] for check in found["checks"]] == [
        line.split(":")[0].split()[1] for line in checks
    ]


def test_only_an_earlier_verification_is_replaced(
    run_script: RunScript, a_set: Path, in_directory: Path
) -> None:
    def verify(path: Path) -> Outcome:
        return run_script(
            "verify_set", adversarial_set=a_set, saved_model="none", dataset="none", json=path
        )

    for name, text in {"notes.md": "# Notes", "a.json": '{"holds": true}', "b.json": "[]"}.items():
        Path(name).write_text(text)
        outcome = verify(Path(name))
        assert (outcome.status, outcome.out) == (1, "")
        assert outcome.err == (
            f"error: --json {name} is there and is no earlier verification, so it is not replaced; "
            "name a new file.\n"
        )
        assert Path(name).read_text() == text
    for name in ("manifest.json", "found.json"):
        outcome = verify(a_set / name)
        assert (outcome.status, outcome.out) == (1, "")
        assert outcome.err.startswith(
            f"error: --json {a_set / name} lies in the set to be verified"
        )
    outcome = verify(Path("notes.md") / "found.json")
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.startswith("error: --json notes.md/found.json cannot be written (Not a dir")
    assert [verify(Path("c.json")).status for _ in range(2)] == [0, 0]


def test_what_is_wrong_is_printed_by_example(
    run_script: RunScript, a_set: Path, tmp_path: Path
) -> None:
    def change(examples: dict) -> None:
        examples["success_uint8"][7] = 1 - examples["success_uint8"][7]

    forge_examples(a_set, change)
    outcome = run_script(
        "verify_set", adversarial_set=a_set, saved_model="none", dataset="none", json=tmp_path / "j"
    )
    assert outcome.status == 1
    lines = outcome.out.splitlines()
    position = lines.index("      fails  success: 1 of 360 examples")
    index = f"example 7 (index 7) of {shards(a_set)[0].name}: success_uint8 is "
    assert lines[position + 1].startswith(" " * 13 + index)
    assert outcome.err.startswith(f"error: {a_set} is not known to be what it claims (360 examples")
    assert outcome.err.endswith("s): success, summary failed; dataset, model left out.\n")
    assert outcome.err.count("\n") == 1
    assert json.loads((tmp_path / "j").read_text())["holds"] is False


def test_a_dataset_that_is_not_there_must_be_left_out_on_purpose(
    run_script: RunScript, a_set: Path
) -> None:
    named = read_json(a_set / MANIFEST)
    named["dataset"] = named["flags"]["dataset"] = "holiday_photos"
    named["inputs"]["dataset"]["name"] = "holiday_photos"
    write_json(a_set / MANIFEST, named)
    outcome = run_script("verify_set", adversarial_set=a_set, saved_model="none")
    assert outcome.status == 1
    text = "not checked  dataset: holiday_photos test is not to be had: dataset 'holiday_photos' is"
    assert text in outcome.out
    assert "): dataset, originals could not be checked; model left out." in outcome.err
    for dataset in ("none", "digits"):
        outcome = run_script(
            "verify_set", adversarial_set=a_set, saved_model="none", dataset=dataset
        )
        assert (outcome.status, outcome.err) == (0, "")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"saved_model": "nowhere"}, "nowhere does not exist; expected a SavedModel directory"),
        ({"saved_model": __file__}, "test_verify_set.py "),
        ({"dataset": "nowhere"}, "dataset 'nowhere' is unknown"),
        ({"dataset": "digits", "split": "tset"}, "digits has no split 'tset'; expected one of tra"),
        ({"split": "train+test"}, "split 'train+test' of digits mixes several splits; expected p"),
    ],
)
def test_what_the_user_misspelt_is_not_the_sets_fault(
    run_script: RunScript, given: dict[str, str], message: str
) -> None:
    outcome = run_script(
        "verify_set", adversarial_set=EXAMPLE_SET, **{"saved_model": "none"} | given
    )
    assert (outcome.status, outcome.out) == (1, "")
    assert message in outcome.err
    assert "not known to be what it claims" not in outcome.err
    assert outcome.err.count("\n") == 1


def test_another_split_is_named(run_script: RunScript) -> None:
    outcome = run_script(
        "verify_set", adversarial_set=EXAMPLE_SET, saved_model="none", split="train"
    )
    assert outcome.status == 1
    assert "      fails  dataset: the set was made of test, not train\n" in outcome.out
    assert "not checked  originals: since dataset failed\n" in outcome.out
    assert "): dataset failed; originals could not be checked; model left out.\n" in outcome.err


def _truncate(a_set: Path) -> None:
    path = shards(a_set)[2]
    path.write_bytes(path.read_bytes()[:-100])


def _remove_shard(a_set: Path) -> None:
    shards(a_set)[2].unlink()


def _newer(a_set: Path) -> None:
    forge_manifest(a_set, schema=3)


def _no_set(a_set: Path) -> None:
    shutil.rmtree(a_set)
    a_set.mkdir()


def _nothing(a_set: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("damage", "model", "printed", "error"),
    [
        (_truncate, "none", "{shard} is truncated within record 99 (from 0) of 100", "files faile"),
        (_remove_shard, "none", "{shard} is missing", "files failed"),
        (_nothing, OTHER_MODEL, "made for another model, fc100-100-10, not fc200", "model failed"),
        (_nothing, "retrained", "though of the same name (418fba365517 there, ", "model failed"),
        (_nothing, OTHER_MODEL, "  predictions: since model failed", "; predictions, minimality c"),
        (_newer, MODEL, "", "was written with schema 3 of adversarial_set; this version"),
        (_no_set, MODEL, "", "set has no manifest.json; expected a finished adversarial_set"),
    ],
)
def test_each_of_these_is_named(
    run_script: RunScript,
    a_set: Path,
    in_directory: Path,
    damage: object,
    model: object,
    printed: str,
    error: str,
) -> None:
    path = shards(a_set)[2]
    damage(a_set)  # type: ignore[operator]
    if model == "retrained":
        model = in_directory / "fc100-100-10"
        shutil.copytree(OTHER_MODEL, model)
    outcome = run_script("verify_set", adversarial_set=a_set, saved_model=model, dataset="none")
    assert outcome.status == 1
    assert printed.format(shard=path) in outcome.out
    assert error in outcome.err
    assert outcome.err.count("\n") == 1
