"""scripts/plot_examples.py: what it prints and leaves, and how it refuses."""

from pathlib import Path

from tests.scripts.conftest import RunScript

SMALL = {"dataset": "digits", "split": "test[:6]", "batch_size": 10, "xla": "off"}


def test_it_draws(run_script: RunScript, workplace: Path, tmp_path: Path) -> None:
    made = run_script(
        "attack", **SMALL, saved_model=workplace / "model", output_dir=tmp_path / "set"
    )
    assert made.status == 0
    given = {
        "adversarial_sets": tmp_path / "set",
        "num_pictured": 2,
        "magnification": 2,
        "output_dir": tmp_path / "pictures",
    }
    outcome = run_script("plot_examples", **given)
    assert outcome.err == ""
    assert outcome.status == 0
    assert outcome.out.startswith(f"{tmp_path}/pictures/set.png: set. Mean distortion 0.")
    assert "shown 2 times as large" in outcome.out
    assert sorted(entry.name for entry in (tmp_path / "pictures").iterdir()) == [
        "manifest.json",
        "results.json",
        "set.png",
    ]
    assert run_script("plot_examples", **given) == outcome


def test_bad_input_is_one_line(run_script: RunScript, in_directory: Path) -> None:
    outcome = run_script("plot_examples", adversarial_sets="absent", output_dir="out")
    assert outcome.status == 1
    assert outcome.err.startswith("error: absent does not exist; expected a finished adversarial")
    assert outcome.err.count("\n") == 1
    assert not list(in_directory.iterdir())
