"""scripts/frame_bounds.py: what it prints and leaves, and how it refuses."""

from pathlib import Path

import pytest

from tests.scripts.conftest import RunScript


def test_it_prints_a_table_and_says_what_is_proved(
    run_script: RunScript, workplace: Path, tmp_path: Path
) -> None:
    run_script(
        "attack",
        saved_model=workplace / "model",
        dataset="digits",
        split="test[:20]",
        target="untargeted",
        output_dir=tmp_path / "set",
    )
    outcome = run_script(
        "frame_bounds",
        saved_model=workplace / "model",
        adversarial_sets=tmp_path / "set",
        output_dir=tmp_path / "out",
    )
    assert (outcome.status, outcome.err) == (0, "")
    table, end = outcome.out.split("\n\n")
    assert [cell.strip() for cell in table.splitlines()[2].split("|")[1:4]] == [
        "logits",
        "Dense",
        "64x10",
    ]
    sentence, proof, last = end.splitlines()
    assert sentence.startswith("The network carries no two images more than ")
    assert proof.startswith("set: L2 distance of the adversarial images found ")
    assert last == f"results: {tmp_path / 'out'}"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "manifest.json",
        "results.json",
    ]


def test_a_network_by_name_has_random_weights(run_script: RunScript, tmp_path: Path) -> None:
    outcome = run_script(
        "frame_bounds", model="conv", image_shape="8,8,1", num_classes=4, output_dir=tmp_path / "o"
    )
    assert (outcome.status, outcome.err) == (0, "")
    assert [line.split("|")[1].strip() for line in outcome.out.splitlines()[2:5]] == [
        "convolution",
        "hidden_1",
        "logits",
    ]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({}, "give one of --saved_model and --model."),
        ({"model": "conv", "saved_model": "m"}, "give one of --saved_model and --model."),
        ({"model": "conv", "image_shape": "8,8"}, "--image_shape is 8,8; expected height, width"),
        ({"model": "conv", "image_shape": "8,8,x"}, "--image_shape holds 'x'; expected whole"),
        ({"model": "conf"}, "model 'conf' is unknown; expected"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    run_script: RunScript, in_directory: Path, flags: dict[str, object], message: str
) -> None:
    outcome = run_script("frame_bounds", output_dir="out", **flags)
    assert outcome.status == 1
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (in_directory / "out").exists()
