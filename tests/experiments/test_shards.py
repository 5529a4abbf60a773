"""Shards are the same whoever makes them, in which order and with what in between."""

import dataclasses
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.experiments.engine_runs import contents
from tfblindspots.artifacts import read_json, write_json
from tfblindspots.attacks import AdversarialExamples, find_adversarial_examples
from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.experiments import AttackRun, as_ranges, refuse_missing
from tfblindspots.experiments.attack import QUALITY_CARD
from tfblindspots.experiments.jobs import CLAIM, Job
from tfblindspots.experiments.locking import LOCK
from tfblindspots.experiments.shards import Shards, default_shard_size
from tfblindspots.models import Classifier
from tfblindspots.stopping import Stopped, stop_on_sigterm

SEARCH = "tfblindspots.experiments.shards.find_adversarial_examples"


def test_the_order_of_the_parts_changes_no_byte(run: AttackRun, expected: dict[str, bytes]) -> None:
    assert run.make_part(range(3, 4)) == [0, 1, 2]
    assert run.make_part(range(1, 3)) == [0]
    with pytest.raises(InputError) as error:
        run.complete(refuse_missing)
    assert str(error.value) == (
        f"{run.directory} lacks 1 of 4 shards (0); make or copy them there first, with the hidden "
        "files beside them."
    )
    assert run.make_part(range(2)) == []
    summary = run.complete(refuse_missing)["summary"]
    assert contents(run.directory) == expected
    assert summary["count"] == 30
    assert run.make_part(range(2)) == []


def test_parts_made_elsewhere_are_put_together(
    run: AttackRun, tmp_path: Path, expected: dict[str, bytes]
) -> None:
    """Two machines without a disk in common."""
    other = dataclasses.replace(run, directory=tmp_path / "other")
    run.make_part(range(2))
    other.make_part(range(2, 4))
    for path in other.directory.iterdir():
        path.rename(run.directory / path.name)
    seconds = sum(read_json(path)["seconds"] for path in run.directory.glob(".shard-*"))
    manifest = run.complete(refuse_missing)
    assert contents(run.directory) == expected
    assert manifest["summary"]["seconds"] == pytest.approx(seconds, abs=1e-3)


def test_sigterm_ends_the_run_after_the_shard_in_work(
    run: AttackRun, expected: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def signalled(*arguments: Any, **named: Any) -> AdversarialExamples:
        calls.append(1)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return find_adversarial_examples(*arguments, **named)

    monkeypatch.setattr(SEARCH, signalled)
    with pytest.raises(Stopped), stop_on_sigterm():
        run.complete()
    assert sorted(path.name for path in run.directory.glob("[!.]*")) == [
        "adversarial_set-test.tfrecord-00000-of-00004",
        "adversarial_set-test.tfrecord-00001-of-00004",
    ]
    assert (run.directory / ".shard-1.json").exists()
    run.complete()
    assert len(calls) == 4
    assert contents(run.directory) == expected


@pytest.mark.parametrize("numbers", [range(3, 5), range(2, 2), range(-1, 1)])
def test_shards_that_the_set_does_not_have_are_refused(run: AttackRun, numbers: range) -> None:
    with pytest.raises(InputError, match=r"asked for; the set has 4, so expected a part of 0:4\."):
        run.make_part(numbers)
    assert not run.directory.exists()


def test_a_damaged_shard_is_named_before_the_set_is_completed(run: AttackRun) -> None:
    run.make_part(range(4))
    path = run.directory / "adversarial_set-test.tfrecord-00002-of-00004"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(
        InputError, match=r"00002-of-00004 is truncated within record 7 .* of 8\. Delete it, or"
    ):
        run.complete(refuse_missing)
    path.unlink()
    assert run.complete()["num_examples"] == 30


def test_other_processes_take_up_what_is_under_way(
    run: AttackRun, classifier: Classifier, test_set: ImageDataset, expected: dict[str, bytes]
) -> None:
    run.make_part(range(1))
    assert all((run.directory / name).exists() for name in (CLAIM, LOCK))
    shards = Shards.under_way(run.directory, classifier, test_set)
    assert shards.config == run.config
    assert [shards.size(shard) for shard in range(4)] == [8, 8, 8, 6]
    for shard in (3, 1, 2):
        shards.make(shard)
    run.complete(refuse_missing)
    assert contents(run.directory) == expected


def test_other_processes_are_given_the_same_images_and_model(
    run: AttackRun, classifier: Classifier, test_set: ImageDataset
) -> None:
    run.make_part(range(1))
    other = dataclasses.replace(test_set, fingerprint="f00d")
    with pytest.raises(InputError, match=r"other settings \(another dataset \(digits there"):
        Shards.under_way(run.directory, classifier, other)
    with pytest.raises(InputError, match=r"other settings \(another model \(linear there, other"):
        Shards.under_way(
            run.directory, dataclasses.replace(classifier, name="other", fingerprint="0"), test_set
        )


def test_shards_of_other_settings_are_refused_at_the_end(run: AttackRun, tmp_path: Path) -> None:
    """Directories copied together, hidden files included, in either order."""
    config = dataclasses.replace(run.config, seed=1)
    other = dataclasses.replace(run, directory=tmp_path / "other", config=config)
    other.make_part(range(1))
    run.make_part(range(1, 4))
    name = "adversarial_set-test.tfrecord-00000-of-00004"
    for copied in (name, ".shard-0.json"):
        (other.directory / copied).rename(run.directory / copied)
    with pytest.raises(InputError, match=f"{name} is of an attack with other settings, its notes"):
        run.complete(refuse_missing)
    assert not (run.directory / "manifest.json").exists()
    (run.directory / ".shard-0.json").unlink()
    with pytest.raises(
        InputError, match=rf"{name} has no notes beside it \(\.shard-0\.json\) that"
    ):
        run.complete(refuse_missing)


def test_shards_under_each_others_names_are_refused(run: AttackRun) -> None:
    run.make_part(range(4))
    shards = [f"adversarial_set-test.tfrecord-0000{number}-of-00004" for number in (0, 1)]
    for first, second in (shards, [".shard-0.json", ".shard-1.json"]):
        (run.directory / first).rename(run.directory / "kept")
        (run.directory / second).rename(run.directory / first)
        (run.directory / "kept").rename(run.directory / second)
    with pytest.raises(InputError, match="holds shards under each other's names; delete them"):
        run.complete(refuse_missing)


def test_no_shard_lacks_its_notes(run: AttackRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the two, a run leaves notes without a shard."""

    def killed(path: Path, value: object) -> None:
        if path.name == ".shard-0.json":
            raise KeyboardInterrupt
        write_json(path, value)

    monkeypatch.setattr("tfblindspots.experiments.shards.write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        run.make_part(range(1))
    assert not list(run.directory.glob("*.tfrecord-*"))


def test_a_part_leaves_the_temporary_files_of_others_alone(run: AttackRun) -> None:
    run.make_part(range(1))
    theirs = run.directory / ".adversarial_set-test.tfrecord-00001-of-00004.0123abcd.tmp"
    theirs.touch()
    run.make_part(range(2, 3))
    assert theirs.exists()
    run.complete()
    assert not theirs.exists()


def test_a_killed_finish_hinders_nobody(run: AttackRun, expected: dict[str, bytes]) -> None:
    """Before the manifest, and right after it."""
    run.make_part(range(3))
    (run.directory / QUALITY_CARD).touch()
    (run.directory / ".choice.npz").write_bytes(b"copied in part")
    assert run.make_part(range(3, 4)) == []
    hidden = {path: path.read_bytes() for path in run.directory.glob(".[!l]*")}
    run.complete()
    for path, content in hidden.items():
        path.write_bytes(content)
    run.complete()
    assert contents(run.directory) == expected


def test_what_another_process_finishes_meanwhile_is_not_touched(
    run: AttackRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.complete()
    before = {path: path.read_bytes() for path in run.directory.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(Job, "finished", lambda self: None)  # when it was looked at
        with pytest.raises(InputError, match="has just been finished by another process; run the"):
            run.complete()
    assert {path: path.read_bytes() for path in run.directory.iterdir()} == before
    (run.directory / QUALITY_CARD).unlink()
    with pytest.raises(InputError, match=f"but its file {QUALITY_CARD} is gone; delete the dir"):
        run.complete()


def test_a_drawn_sample_is_drawn_once(
    run: AttackRun, classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampled = dataclasses.replace(run, sample=12)
    sampled.make_part(range(1))
    monkeypatch.setattr("tfblindspots.experiments.attack.choose_images", pytest.fail)
    manifest = sampled.complete()
    assert manifest["num_examples"] == 12
    assert 12 < manifest["candidates"] <= 30


def test_a_shard_of_photos_has_a_handy_size() -> None:
    assert default_shard_size((28, 28, 1)) == 5000
    photos = default_shard_size((227, 227, 3))
    assert 128 << 20 < photos * 9 * 227 * 227 * 3 <= 256 << 20
    assert default_shard_size((10_000, 10_000, 3)) == 1


def test_numbers_are_told_in_short() -> None:
    assert as_ranges([0, 1, 2, 7]) == "0:3, 7"
    assert as_ranges([4]) == "4"
    assert as_ranges(np.arange(3, 9).tolist()) == "3:9"
