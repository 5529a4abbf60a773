"""Faults in the middle of a run, injected for real: one line says what, and nothing is lost."""

import contextlib
import dataclasses
import os
import shutil
import stat
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.adversarial_sets.tampering import EXAMPLE_SET, MODEL, copy_of
from tfblindspots.adversarial_sets import read_adversarial_set
from tfblindspots.artifacts import MANIFEST
from tfblindspots.attacks import AttackConfig
from tfblindspots.data import ImageDataset, load_dataset
from tfblindspots.errors import InputError, OutputError
from tfblindspots.experiments import (
    make_adversarial_set,
    verify_adversarial_set,
)
from tfblindspots.experiments.shards import Shards
from tfblindspots.models import Classifier, load_classifier

SHARD = "adversarial_set-test.tfrecord-{:05d}-of-00003"


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory,
    classifier: Classifier,
    test_set: ImageDataset,
    config: AttackConfig,
) -> Path:
    directory = tmp_path_factory.mktemp("undisturbed") / "set"
    make_adversarial_set(classifier, test_set, config, directory, shard_size=10)
    return directory


def _completes(
    directory: Path,
    undisturbed: Path,
    classifier: Classifier,
    test_set: ImageDataset,
    config: AttackConfig,
) -> None:
    """The same command again makes the set that an undisturbed run makes."""
    make_adversarial_set(classifier, test_set, config, directory, shard_size=10)
    assert sorted(p.name for p in directory.iterdir()) == sorted(
        p.name for p in undisturbed.iterdir()
    )
    for path in undisturbed.iterdir():
        if path.name not in (MANIFEST, "quality_card.md"):
            assert (directory / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.fixture
def full_from_the_second_shard_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What writes the second shard is led to /dev/full, where the kernel has no space."""
    token = uuid.UUID(int=0xFEED << 112)
    begun = Shards.make

    def make(self: Shards, shard: int, *rest: object, **others: object) -> None:
        if shard == 1:
            name = f".{SHARD.format(1)}.{token.hex[:8]}.tmp"
            (self.directory / name).symlink_to("/dev/full")
            monkeypatch.setattr("tfblindspots.artifacts.files.uuid.uuid4", lambda: token)
        begun(self, shard, *rest, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(Shards, "make", make)


@pytest.mark.usefixtures("full_from_the_second_shard_on")
def test_a_full_disk(
    tmp_path: Path,
    undisturbed: Path,
    classifier: Classifier,
    test_set: ImageDataset,
    config: AttackConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    directory = tmp_path / "set"
    message = (
        rf"{SHARD.format(1)} cannot be written \(No space left on device\); whatever was finished "
        r"before is there. Free some space there, then run the same command again.$"
    )
    with pytest.raises(OutputError, match=message):
        make_adversarial_set(classifier, test_set, config, directory, shard_size=10)
    assert [path.name for path in directory.glob("*tfrecord*")] == [SHARD.format(0)]
    assert not list(directory.glob(".*.tmp"))
    monkeypatch.undo()
    _completes(directory, undisturbed, classifier, test_set, config)


@contextlib.contextmanager
def _read_only(directory: Path) -> Iterator[None]:
    """Nobody can write there, not even root."""
    if os.geteuid():
        before = stat.S_IMODE(directory.stat().st_mode)
        directory.chmod(0o555)
        undo: Callable[[], object] = lambda: directory.chmod(before)  # noqa: E731
    else:
        if subprocess.run(["chattr", "+i", directory], capture_output=True, check=False).returncode:
            pytest.skip("root can write anywhere on this file system")
        undo = lambda: subprocess.run(["chattr", "-i", directory], check=True)  # noqa: E731
    try:
        yield
    finally:
        undo()


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("chattr"), reason="needs chattr")
def test_a_directory_that_becomes_read_only(
    tmp_path: Path,
    undisturbed: Path,
    classifier: Classifier,
    test_set: ImageDataset,
    config: AttackConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    directory, make = tmp_path / "set", Shards.make
    with contextlib.ExitStack() as later:

        def then_closed(self: Shards, shard: int, *rest: object, **others: object) -> None:
            make(self, shard, *rest, **others)  # type: ignore[arg-type]
            later.enter_context(_read_only(directory))

        with monkeypatch.context() as patch, pytest.raises(OutputError) as caught:
            patch.setattr(Shards, "make", then_closed)
            make_adversarial_set(classifier, test_set, config, directory, shard_size=10)
        assert str(caught.value).endswith("Make it writable, then run the same command again.")
        assert (directory / SHARD.format(0)).is_file()
        # From the start on.
        with pytest.raises(InputError, match="cannot be written; name a directory"):
            make_adversarial_set(classifier, test_set, config, directory, shard_size=10)
    _completes(directory, undisturbed, classifier, test_set, config)


def test_data_and_model_that_vanish_once_they_are_loaded(
    tmp_path: Path, test_set: ImageDataset, config: AttackConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, photos = tmp_path / "model", tmp_path / "digits.npz"
    shutil.copytree(MODEL, model)
    np.savez(photos, images=test_set.images[..., 0], labels=test_set.labels)
    classifier, data = load_classifier(model), load_dataset(str(photos), "test")
    data = dataclasses.replace(data, class_names=test_set.class_names)
    make = Shards.make

    def then_gone(self: Shards, shard: int, *rest: object, **others: object) -> None:
        make(self, shard, *rest, **others)  # type: ignore[arg-type]
        shutil.rmtree(model, ignore_errors=True)
        photos.unlink(missing_ok=True)

    monkeypatch.setattr(Shards, "make", then_gone)
    manifest = make_adversarial_set(classifier, data, config, tmp_path / "set", shard_size=15)
    assert not model.exists()
    assert manifest["num_examples"] == 30
    for load, message in (
        (lambda: load_classifier(model), "model does not exist"),
        (lambda: load_dataset(str(photos), "test"), "digits.npz"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            load()
        assert "\n" not in str(caught.value)


def _cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    return path


def _cut_npz(place: Path) -> tuple[Path, Callable[[], object]]:
    path = place / "photos.npz"
    np.savez(path, images=np.zeros((40, 8, 8), np.uint8), labels=np.zeros(40, np.int64))
    return _cut(path), lambda: load_dataset(str(path), "test")


def _cut_variables(place: Path) -> tuple[Path, Callable[[], object]]:
    shutil.copytree(MODEL, place / "model")
    path = next((place / "model" / "variables").glob("*.data-*"))
    return _cut(path), lambda: load_classifier(place / "model")


def _cut_keras(place: Path) -> tuple[Path, Callable[[], object]]:
    path = place / "model.keras"
    shutil.copyfile(MODEL / "assets.extra" / "model.keras", path)
    return _cut(path), lambda: load_classifier(path)


def _cut_set(place: Path) -> tuple[Path, Callable[[], object]]:
    copy_of(EXAMPLE_SET, place / "set")
    path = _cut(sorted((place / "set").glob("*tfrecord*"))[1])
    return path, lambda: read_adversarial_set(place / "set")


@pytest.mark.parametrize("cut", [_cut_npz, _cut_variables, _cut_keras, _cut_set])
def test_a_truncated_file_is_named_in_one_line(
    tmp_path: Path, cut: Callable[[Path], tuple[Path, Callable[[], object]]]
) -> None:
    path, read = cut(tmp_path)
    with pytest.raises(InputError) as caught:
        read()
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value) or path.parents[1].name in str(caught.value)


def test_a_truncated_set_is_found_by_its_verification(tmp_path: Path) -> None:
    path, _ = _cut_set(tmp_path)
    found = verify_adversarial_set(tmp_path / "set", load_model=None, load_dataset=None)
    (files,) = [check for check in found.checks if check.name == "files"]
    assert not found.holds
    assert len(files.problems) == 1
    assert path.name in files.problems[0]


def test_a_truncated_shard_of_a_dataset(mnist_data_dir: str, tmp_path: Path) -> None:
    shutil.copytree(Path(mnist_data_dir) / "mnist", tmp_path / "mnist")
    path = _cut(next((tmp_path / "mnist").glob("*/*test*tfrecord*")))
    with pytest.raises(InputError) as caught:
        load_dataset("mnist", "test", data_dir=str(tmp_path))
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)
    path.unlink()
    with pytest.raises(InputError) as caught:
        load_dataset("mnist", "test", data_dir=str(tmp_path))
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)
