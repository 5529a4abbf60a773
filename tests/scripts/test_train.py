"""scripts/train.py: what it prints and leaves, and how it refuses."""

import re
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from tests.scripts.conftest import RunScript


def test_it_trains_measures_and_exports(run_script: RunScript, tmp_path: Path) -> None:
    flags = {
        "model": "fc8-10",
        "dataset": "digits",
        "split": "train[:200]",
        "test_split": "test[:50]",
        "max_iterations": 5,
        "output_dir": tmp_path / "model",
        "tensorboard_dir": tmp_path / "board",
    }
    first = run_script("train", **flags)
    assert first.status == 0
    assert first.err == ""
    title, train, test, path, board = first.out.replace("\xa0", " ").splitlines()
    assert title.startswith("FC8-10 on digits: 5 iterations, ")
    assert re.fullmatch(r"train error [\d.]+ % \[[\d.]+, [\d.]+\], \d+ of 200 images", train)
    assert re.fullmatch(r"test error [\d.]+ % \[[\d.]+, [\d.]+\], \d+ of 50 images", test)
    assert path == f"SavedModel: {tmp_path / 'model'}"
    assert board == f"TensorBoard: tensorboard --logdir={tmp_path / 'board'}"
    for run in ("train", "test"):
        assert len(list((tmp_path / "board" / run).glob("events.out.tfevents.*"))) == 1
    signature = tf.saved_model.load(tmp_path / "model").signatures["serving_default"]
    assert signature(images=tf.zeros([2, 8, 8, 1]))["logits"].shape == (2, 10)

    again = run_script("train", **flags)
    assert again == first
    other = run_script("train", **flags | {"seed": 1})
    assert other.status == 1
    assert "(--seed=0 there, 1 here); repeat those or name a new directory." in other.err


def test_tensorboard_is_missed_before_any_work(
    run_script: RunScript, in_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    outcome = run_script(
        "train", model="fc8-10", dataset="absent", output_dir="out", tensorboard_dir="board"
    )
    assert outcome.status == 1
    assert outcome.err == (
        "error: TensorBoard is not installed; say pip install '.[tensorboard]' in the folder of "
        "the source, or leave --tensorboard_dir (in Python tensorboard_dir) out.\n"
    )
    assert list(in_directory.iterdir()) == []


@pytest.mark.parametrize("output", ["board", "board/model"])
def test_the_output_must_not_lie_in_the_tensorboard_directory(
    run_script: RunScript, in_directory: Path, output: str
) -> None:
    outcome = run_script(
        "train", model="fc8-10", dataset="absent", output_dir=output, tensorboard_dir="./board"
    )
    assert outcome.status == 1
    assert outcome.err == (
        f"error: --output_dir {output} is or lies in --tensorboard_dir ./board, which would then "
        "hold other files; name another --tensorboard_dir.\n"
    )
    assert list(in_directory.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            {"model": "fc10-2-1"},
            "model fc10-2-1 has 1 classes but the data has 10; the last",
        ),
        ({"dataset": "digitz"}, "dataset 'digitz' is unknown (did you mean digits?); expected"),
        (
            {"split": "valid"},
            "digits has no split 'valid'; expected one of train (1437)",
        ),
        ({"split": "train[:0]"}, "split 'train[:0]' of digits selects no images; expected one of"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    run_script: RunScript, in_directory: Path, flags: dict[str, object], message: str
) -> None:
    given = {"model": "fc10-1", "dataset": "digits", "output_dir": "out"} | flags
    outcome = run_script("train", **given)
    assert outcome.status == 1
    assert outcome.out == ""
    assert outcome.err.startswith(f"error: {message}")
    assert outcome.err.count("\n") == 1
    assert list(in_directory.iterdir()) == []
