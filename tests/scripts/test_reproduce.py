"""scripts/reproduce.py: its flags arrive, its last line names the report, its mistakes are told."""

from pathlib import Path
from typing import Any

import pytest

from tests.scripts.conftest import RunScript
from tfblindspots import experiments
from tfblindspots.experiments import NETWORKS, ReproductionConfig


def test_the_flags_become_the_configuration(
    run_script: RunScript, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[Any, ...]] = []

    def reproduce(config, load, output_dir, *, progress):  # type: ignore[no-untyped-def]
        splits = [len(load(split).labels) for split in ("train", "test")]
        calls.append((config, *splits, output_dir, progress))
        return Path(output_dir) / "report.html"

    monkeypatch.setattr(experiments, "reproduce", reproduce)
    common = {"dataset": "digits", "output_dir": tmp_path}
    first = run_script("reproduce", **common)
    assert first == (0, f"report: {tmp_path}/report.html\n", "")
    other = {"models": "fc10-1,conv", "num_examples": 7, "seed": 2, "shard_size": 3}
    run_script("reproduce", **common, **other, experiments="E3,E5", num_seeds=2)
    assert [call[0] for call in calls] == [
        ReproductionConfig(models=NETWORKS),
        ReproductionConfig(
            ("E3", "E5"), ("fc10-1", "conv"), seed=2, num_seeds=2, num_examples=7, shard_size=3
        ),
    ]
    assert calls[0][1:4] == (1437, 360, str(tmp_path))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            {"dataset": "/no/such/place"},
            "dataset directory /no/such/place does not exist; expected",
        ),
        ({"experiments": "E1,E8"}, "experiments are E1,E8; expected some of E1,E2,E3,E4,E5"),
        ({"models": "alexnot"}, "model 'alexnot' is unknown; expected fc10-1e-4, fc10-1e-2"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    run_script: RunScript, in_directory: Path, flags: dict[str, object], message: str
) -> None:
    outcome = run_script("reproduce", **{"dataset": "digits", "output_dir": "out"} | flags)
    assert outcome.status == 1
    assert outcome.err.startswith(f"error: {message}")
    assert outcome.err.count("\n") == 1
    assert list(in_directory.iterdir()) == []
