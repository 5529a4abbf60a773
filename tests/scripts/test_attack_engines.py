"""scripts/attack.py: whom --runner and --devices have make the files."""

from pathlib import Path

import pytest

from tests.scripts.conftest import RunScript
from tfblindspots.experiments import make_in_turn, on_devices
from tfblindspots.experiments.workers import Work

SMALL = {"dataset": "digits", "split": "test[:20]", "batch_size": 10, "xla": "off", "shard_size": 8}


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.glob("*.tfrecord-*")}


def test_each_makes_the_same_files(
    run_script: RunScript, workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {**SMALL, "saved_model": workplace / "model", "only_class": "3", "split": "test"}
    alone = run_script("attack", **given, output_dir=tmp_path / "alone")
    assert alone.status == 0
    by_beam = run_script(
        "attack",
        **given,
        output_dir=tmp_path / "beam",
        runner="beam",
        beam_options="direct_running_mode=in_memory,direct_num_workers=1",
    )
    assert by_beam.status == 0
    assert by_beam.err == ""

    # Two processes take their time in tests/experiments; here it is what they would be given.
    def serve(work: Work) -> None:
        shards = work.open()
        make_in_turn(shards, shards.writer.missing_shards(), lambda done: None)

    seen = []
    monkeypatch.setattr(
        on_devices.DeviceEngine,
        "__call__",
        lambda engine, shards, numbers, progress: (
            seen.append(engine.devices),
            serve(Work.of(shards, engine.inputs)),
        ),
    )
    on_cpu = run_script("attack", **given, output_dir=tmp_path / "devices", devices="cpu:0")
    assert on_cpu.status == 0
    assert seen == [("CPU:0",)]
    made = [files(tmp_path / name) for name in ("alone", "beam", "devices")]
    assert len(made[0]) > 1
    assert made[1] == made[0]
    assert made[2] == made[0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"beam_options": "direct_num_workers=2"},
            "--beam_options are given without --runner=beam; give it.",
        ),
        (
            {"runner": "beam", "devices": "all"},
            "--devices is of --runner=local, and --runner is beam; leave one out.",
        ),
        (
            {"runner": "beam", "beam_options": "workers=2"},
            "beam_options hold workers, which Beam does not know; expected options of Beam's,",
        ),
        ({"devices": "TPU:0"}, "devices hold 'TPU:0'; expected all, or names of what is here"),
    ],
)
def test_what_does_not_go_together(
    run_script: RunScript, in_directory: Path, given: dict[str, str], message: str
) -> None:
    outcome = run_script("attack", **SMALL, saved_model="absent", output_dir="out", **given)
    assert outcome.status == 1
    assert outcome.err.startswith(f"error: {message}")
    assert outcome.err.count("\n") == 1
    assert not Path("out").exists()
