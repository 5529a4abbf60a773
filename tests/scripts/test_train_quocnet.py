"""scripts/train_quocnet.py and what attacks the true positives of its network."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.scripts.conftest import RunScript
from tfblindspots.adversarial_sets import read_adversarial_set


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of 32x32 RGB noise; class 2 has a bright bar."""
    random = np.random.default_rng(0)
    labels = np.arange(240) % 3
    pictures = random.integers(0, 128, (240, 32, 32, 3)).astype(np.uint8)
    pictures[labels == 2, 14:18] += 127
    path = tmp_path_factory.mktemp("data") / "bars.npz"
    np.savez(
        path,
        x_train=pictures[:180],
        y_train=labels[:180],
        x_test=pictures[180:],
        y_test=labels[180:],
    )
    return path


def test_from_training_to_an_attack_on_the_true_positives(
    run_script: RunScript, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "quocnet"
    outcome = run_script(
        "train_quocnet",
        dataset=images,
        positive_class=2,
        maps="4,5,6",
        steps=2,
        output_dir=out,
    )
    assert (outcome.status, outcome.err) == (0, "")
    lines = outcome.out.replace("\N{NO-BREAK SPACE}", " ").splitlines()
    patterns = [
        r"scaled-down QuocNet, bars.* \(2 against the rest\): [\d,]+ weights, 54 features, .*"
    ]
    for name, positive, rest in (("train", 60, 120), ("test", 20, 40)):
        patterns += [
            rf"{name} balanced accuracy .* % \[.*\]",
            rf"{name} recall .* % \[.*\], \d+ of {positive} positive images",
            rf"{name} specificity .* % \[.*\], \d+ of {rest} other images",
            rf"{name} precision .*",
        ]
    patterns.append(re.escape(f"SavedModel: {out}/saved_model"))
    assert len(lines) == len(patterns)
    for line, pattern in zip(lines, patterns, strict=True):
        assert re.fullmatch(pattern, line), line

    attacked = run_script(
        "attack",
        saved_model=out / "saved_model",
        dataset=images,
        positive_class=2,
        only_class=2,
        target="untargeted",
        max_evaluations=60,
        xla="off",
        batch_size=20,
        output_dir=tmp_path / "set",
    )
    assert (attacked.status, attacked.err) == (0, "")
    found = read_adversarial_set(tmp_path / "set").examples
    assert len(found["label"]) == 20 and (found["label"] == 1).all()
    turned = found["original_prediction"] == 1
    assert turned.any()
    assert (found["prediction"][turned & (found["success"] == 1)] == 0).all()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"maps": "4,5"}, "--maps is 4,5; expected 3 numbers of at least 1, such as 64,96,192."),
        ({"positive_class": "7"}, "has no class '7'"),
        ({"dataset": "digits"}, "stage 2 of the network needs 2x2 positions"),
    ],
)
def test_it_refuses_in_one_line(
    run_script: RunScript, images: Path, tmp_path: Path, flags: dict[str, object], message: str
) -> None:
    given = {"dataset": images, "positive_class": 2, "output_dir": tmp_path / "out"} | flags
    outcome = run_script("train_quocnet", **given)
    assert outcome.status == 1
    assert outcome.err.startswith("error: ") and outcome.err.count("\n") == 1
    assert message in outcome.err
    assert not (tmp_path / "out").exists()
