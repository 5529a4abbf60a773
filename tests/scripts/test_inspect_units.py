"""scripts/inspect_units.py: what it prints and leaves, and how it refuses."""

from pathlib import Path

import pytest

from tests.scripts.conftest import RunScript


def test_it_prints_a_table_and_leaves_pictures(
    run_script: RunScript, workplace: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    outcome = run_script(
        "inspect_units",
        saved_model=workplace / "model",
        layer="logits",
        dataset="digits",
        split="test[:40]",
        units="0,3,7",
        num_directions=9,
        top=4,
        reference_model=workplace / "model",
        reference_layer="flatten",
        output_dir=out,
    )
    assert (outcome.status, outcome.err) == (0, "")
    table, end = outcome.out.split("\n\n")
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()]
    assert rows[0] == [
        "measure",
        "against",
        "units",
        "directions",
        "difference",
        "Cliff's delta",
        "p",
    ]
    assert [row[:2] for row in rows[2:]] == [
        [measure, kind]
        for kind in ("random", "whitened")
        for measure in ("purity", "entropy", "pixels", "features")
    ]
    assert end == f"results: {out}\n"
    assert sorted(path.name for path in out.iterdir()) == [
        "coherence.png",
        "manifest.json",
        "random_directions.png",
        "results.json",
        "units.png",
        "whitened_directions.png",
    ]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"layer": "logit"}, "has no layer 'logit' (did you mean logits?); expected one of"),
        ({"units": "1,x"}, "--units holds 'x'; expected whole numbers of at least 0, such as"),
        ({"units": "1,10"}, "layer logits has no unit 10; expected 0 to 9."),
        ({"top": 400}, "the top 400 images were asked for, and digits test has 360; expected"),
        ({"reference_model": "m"}, "--reference_model and --reference_layer go together; give"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    run_script: RunScript,
    workplace: Path,
    in_directory: Path,
    flags: dict[str, object],
    message: str,
) -> None:
    given: dict[str, object] = {
        "saved_model": workplace / "model",
        "layer": "logits",
        "dataset": "digits",
        "output_dir": "out",
    }
    outcome = run_script("inspect_units", **given | flags)
    assert outcome.status == 1
    assert message in outcome.err
    assert outcome.err.startswith("error: ") and outcome.err.count("\n") == 1
    assert list(in_directory.iterdir()) == []
