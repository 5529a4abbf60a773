"""scripts/train_with_pool.py: what it prints and leaves, and how it refuses."""

import re
from pathlib import Path

import pytest

from tests.scripts.conftest import RunScript


def test_it_trains_exports_and_says_what_pools_cost(run_script: RunScript, tmp_path: Path) -> None:
    out = tmp_path / "out"
    outcome = run_script(
        "train_with_pool",
        model="fc9-10",
        dataset="digits",
        split="train[:300]",
        pool_layers="images,hidden_1",
        pool_size=50,
        pool_renewal=40,
        pool_interval=20,
        epochs=60,
        num_examples=20,
        output_dir=out,
    )
    assert (outcome.status, outcome.err) == (0, "")
    lines = outcome.out.replace("\N{NO-BREAK SPACE}", " ").splitlines()
    patterns = (
        r"fc9-10 on digits: 60 epochs, 180 steps, .* s",
        r"train error .* of 300 images",
        r"test error .* of 360 images",
        r"mean minimum distortion of the test images, untargeted: 0\.\d+",
        r"pool of images: \d+ examples, .* % of them still adversarial; \d+ made, \d+ evaluations "
        "a step",
        r"pool of hidden_1: \d+ examples, .*",
        re.escape(f"SavedModel: {out}/saved_model"),
    )
    assert len(lines) == len(patterns)
    for line, pattern in zip(lines, patterns, strict=True):
        assert re.fullmatch(pattern, line), line
    assert sorted(path.name for path in (out / "pools").iterdir()) == ["hidden_1", "images"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"pool_layers": "hiden_1"}, "no hidden layer 'hiden_1'; expected images or one of"),
        ({"pixel_dropout": "1"}, "pixel_dropout is 1.0; expected 0 or more, below 1."),
        ({"pool_share": 1e8}, "pool share is 100000000.0; expected at most 100."),
        ({"model": "ae20-10"}, "has a code that is trained without labels, before anything else"),
    ],
)
def test_it_refuses_in_one_line(
    run_script: RunScript, tmp_path: Path, flags: dict[str, object], message: str
) -> None:
    outcome = run_script(
        "train_with_pool",
        **{"model": "fc9-10", "dataset": "digits", "output_dir": tmp_path / "out"} | flags,
    )
    assert outcome.status == 1
    assert outcome.err.startswith("error: ") and outcome.err.count("\n") == 1
    assert message in outcome.err
    assert not (tmp_path / "out").exists()
