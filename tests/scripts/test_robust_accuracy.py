"""scripts/robust_accuracy.py: what it prints and leaves, and how it refuses."""

from pathlib import Path

import pytest

from tests.scripts.conftest import RunScript


@pytest.fixture(scope="module")
def sets(workplace: Path) -> Path:
    """Holds the sets ``untargeted`` and ``random``, of the same images, and ``other``."""
    from tfblindspots.attacks import AttackConfig
    from tfblindspots.data import load_dataset
    from tfblindspots.experiments import make_adversarial_set
    from tfblindspots.models import load_classifier

    classifier = load_classifier(workplace / "model")
    for name, target, split in (
        ("untargeted", "untargeted", "test[:20]"),
        ("random", "random", "test[:20]"),
        ("other", "untargeted", "test[20:30]"),
    ):
        make_adversarial_set(
            classifier,
            load_dataset("digits", split),
            AttackConfig(target=target, batch_size=10, xla=False),
            workplace / "sets" / name,
        )
    return workplace / "sets"


def test_it_prints_a_table_and_where_the_rest_is(
    run_script: RunScript, sets: Path, tmp_path: Path
) -> None:
    outcome = run_script(
        "robust_accuracy",
        adversarial_sets=f"{sets / 'untargeted'},{sets / 'random'}",
        output_dir=tmp_path / "out",
    )
    assert outcome.status == 0
    assert outcome.err == ""
    table, rest = outcome.out.split("\n\n")
    header, _, first, *others = (
        [cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()
    )
    assert header == ["radius (L2)", "untargeted", "random"]
    assert first[0] == "0"
    assert first[1] == first[2]
    assert others
    assert rest.splitlines() == [
        "An attack gives an upper bound: nearer adversarial images may exist.",
        "The attack of random had a target (random); --target=untargeted gives a tighter bound.",
        f"results: {tmp_path / 'out' / 'robust_accuracy.json'}",
        f"plot: {tmp_path / 'out' / 'robust_accuracy.png'}",
    ]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "manifest.json",
        "robust_accuracy.json",
        "robust_accuracy.png",
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("absent", "absent does not exist; expected a finished adversarial_set directory"),
        ("{model}", "{model} has no manifest.json; expected a finished adversarial_set"),
        ("{sets}/other,{sets}/other/", "{sets}/other is named twice; expected each path once"),
        ("{sets}/random,{sets}/other", "sets random and other come from different images"),
        ("", "there is nothing to measure; name at least one adversarial set"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    run_script: RunScript,
    workplace: Path,
    sets: Path,
    in_directory: Path,
    given: str,
    message: str,
) -> None:
    places = {"sets": sets, "model": workplace / "model"}
    outcome = run_script(
        "robust_accuracy", adversarial_sets=given.format(**places), output_dir="out"
    )
    assert outcome.status == 1
    assert outcome.out == ""
    assert outcome.err.startswith(f"error: {message.format(**places)}")
    assert outcome.err.count("\n") == 1
    assert list(in_directory.iterdir()) == []
