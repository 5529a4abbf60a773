"""scripts/evaluate.py: what it prints and leaves, and how it refuses."""

from pathlib import Path

import pytest

from tests.scripts.conftest import RunScript


@pytest.fixture(scope="module")
def adversarial_set(workplace: Path) -> Path:
    from tfblindspots.attacks import AttackConfig
    from tfblindspots.data import load_dataset
    from tfblindspots.experiments import make_adversarial_set
    from tfblindspots.models import load_classifier

    make_adversarial_set(
        load_classifier(workplace / "model"),
        load_dataset("digits", "test[:20]"),
        AttackConfig(batch_size=10, xla=False),
        workplace / "set",
    )
    return workplace / "set"


def test_it_prints_a_table(
    run_script: RunScript, workplace: Path, adversarial_set: Path, tmp_path: Path
) -> None:
    outcome = run_script(
        "evaluate",
        saved_models=workplace / "model",
        adversarial_sets=adversarial_set,
        noise_stddevs="0.1,0.3",
        output_dir=tmp_path / "out",
    )
    assert outcome.status == 0
    assert outcome.err == ""
    *table, blank, path = outcome.out.splitlines()
    assert [line.split("|")[1].strip(" -") for line in table] == [
        "error on",
        "",
        "set",
        "clean images",
        "Gaussian noise 0.1",
        "Gaussian noise 0.3",
    ]
    assert blank == ""
    assert path == f"results: {tmp_path / 'out'}"
    assert (tmp_path / "out" / "table.md").read_text().splitlines() == table


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"saved_models": "absent"}, "model absent does not exist; expected a SavedModel"),
        ({"adversarial_sets": "absent"}, "absent does not exist; expected a finished adv"),
        ({"adversarial_sets": ""}, "there is nothing to evaluate; name at least one model, and"),
        ({"noise_stddevs": "0.1,big"}, "--noise_stddevs holds 'big'; expected numbers of at least"),
        ({"dataset": "digits", "split": "valid"}, "digits has no split 'valid'; expected one of"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    run_script: RunScript,
    workplace: Path,
    adversarial_set: Path,
    in_directory: Path,
    changed: dict[str, object],
    message: str,
) -> None:
    given = {
        "saved_models": workplace / "model",
        "adversarial_sets": adversarial_set,
        "output_dir": "out",
        **changed,
    }
    outcome = run_script("evaluate", **given)
    assert outcome.status == 1
    assert outcome.out == ""
    assert outcome.err.startswith(f"error: {message}")
    assert outcome.err.count("\n") == 1
    assert list(in_directory.iterdir()) == []


def test_a_model_named_twice(run_script: RunScript, workplace: Path, in_directory: Path) -> None:
    model = workplace / "model"
    outcome = run_script("evaluate", saved_models=f"{model},{model}/", output_dir="out")
    assert outcome == (1, "", f"error: {model} is named twice; expected each path once.\n")
