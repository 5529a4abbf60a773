"""Scripts that are asked to end (SIGTERM), or started twice on the same directory."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripts.conftest import RunScript

_HOLD = """
import fcntl, sys
file = open(sys.argv[1], "ab")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""
TRAIN = {"model": "fc10-1e-2", "dataset": "digits", "split": "train[:300]", "max_iterations": 10}


def _resumed(script: str) -> str:
    return (
        "\nstopped by SIGTERM: nothing is half-written; to resume, run the same command again: "
        f"python {script}"
    )


def test_sigterm_ends_a_training_that_then_goes_on(
    tmp_path: Path, run_script: RunScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, begun = tmp_path / "out", []

    def ask(loss: float, name: str, iterations: int) -> None:
        begun.append(iterations)
        if iterations == 6 and len(begun) == 7:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(sys, "argv", ["scripts/train.py"])
    monkeypatch.setattr("tfblindspots.training.checkpoint._LEAST_SECONDS", 0.0)
    monkeypatch.setattr("tfblindspots.training.checkpoint._SHARE", 1e9)
    monkeypatch.setattr("tfblindspots.training.lbfgs.check_finite", ask)
    stopped = run_script("train", output_dir=out, **TRAIN)
    assert stopped.status == 143
    assert _resumed("scripts/train.py") in stopped.err
    assert begun == [0, 1, 2, 3, 4, 5, 6]
    assert run_script("train", output_dir=out, **TRAIN).status == 0
    assert begun[7:] == [5, 6, 7, 8, 9, 10]


def test_sigterm_ends_an_evaluation(
    tmp_path: Path, workplace: Path, run_script: RunScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {
        "saved_models": workplace / "model",
        "dataset": "digits",
        "split": "test[:50]",
        "output_dir": tmp_path / "out",
    }
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", ["scripts/evaluate.py"])
        patch.setattr(
            "tfblindspots.experiments.evaluation.cross_error_table",
            lambda *rest: os.kill(os.getpid(), signal.SIGTERM),
        )
        stopped = run_script("evaluate", **given)
    assert stopped.status == 143
    assert _resumed("scripts/evaluate.py") in stopped.err
    assert not (tmp_path / "out").exists()
    assert run_script("evaluate", **given).status == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")
@pytest.mark.parametrize("script", ["train", "attack", "evaluate"])
def test_a_second_process_in_a_directory_is_refused(
    tmp_path: Path, workplace: Path, run_script: RunScript, script: str
) -> None:
    given = {
        "train": TRAIN,
        "attack": {"saved_model": workplace / "model", "dataset": "digits", "num_examples": 20},
        "evaluate": {"saved_models": workplace / "model", "dataset": "digits"},
    }[script]
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, tmp_path / ".lock"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"held\n"
        second = run_script(script, output_dir=tmp_path, **given)
        assert second.status == 1
        assert (
            f"error: output_dir {tmp_path} is in use by another process; wait until that has "
            "ended, or name a new directory.\n"
        ) in second.err
        first.communicate(b"")
