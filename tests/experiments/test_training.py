"""A network is trained, measured and exported once."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tfblindspots.analysis import error_rate
from tfblindspots.artifacts import read_manifest
from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.experiments import TrainingConfig, train_network
from tfblindspots.models import ASSETS, Classifier, load_keras_model, predict_classes

CONFIG = TrainingConfig("fc10-1e-2", max_iterations=10)


def test_the_manifest_says_what_the_model_does(
    model_directory: Path, classifier: Classifier, train_set: ImageDataset, test_set: ImageDataset
) -> None:
    manifest = read_manifest(model_directory / ASSETS, "saved_model")
    for name, data in (("train_error", train_set), ("test_error", test_set)):
        expected = error_rate(predict_classes(classifier, data.images), data.labels)
        assert manifest[name] == expected._asdict()
    assert manifest["title"] == "FC10(1e-2)"
    assert manifest["iterations"] == 10
    assert manifest["converged"] is False
    assert manifest["flags"]["split"] == "train[:300]"
    assert manifest["inputs"]["train_set"]["fingerprint"] == train_set.fingerprint


def test_a_finished_network_is_not_trained_again(
    model_directory: Path,
    train_set: ImageDataset,
    test_set: ImageDataset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tfblindspots.experiments.training.train", pytest.fail)
    manifest = train_network(CONFIG, train_set, test_set, model_directory)
    assert manifest == read_manifest(model_directory / ASSETS, "saved_model")


def test_a_network_of_other_settings_is_not_replaced(
    model_directory: Path, train_set: ImageDataset, test_set: ImageDataset
) -> None:
    other = TrainingConfig("fc10-1", max_iterations=10)
    with pytest.raises(InputError, match="--model=fc10-1e-2 there, fc10-1 here"):
        train_network(other, train_set, test_set, model_directory)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("fc10-3", "model 'fc10-3' is unknown|the last number of the name must be 10"),
        ("fc20-7", "model fc20-7 has 7 classes but the data has 10; the last number of the name"),
        ("nothing", "model 'nothing' is unknown; expected fc10-1e-4"),
    ],
)
def test_a_network_that_does_not_fit_leaves_nothing(
    tmp_path: Path, train_set: ImageDataset, test_set: ImageDataset, model: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        train_network(TrainingConfig(model), train_set, test_set, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_training_that_diverges_leaves_nothing(
    tmp_path: Path, train_set: ImageDataset, test_set: ImageDataset
) -> None:
    images = train_set.images.copy()
    images[3] = np.nan
    broken = dataclasses.replace(train_set, images=images)
    with pytest.raises(InputError, match="Training fc10-1e-2 diverged: its loss is nan"):
        train_network(CONFIG, broken, test_set, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("renamed", [False, True])
def test_a_killed_training_goes_on_and_leaves_no_trace(
    tmp_path: Path,
    train_set: ImageDataset,
    test_set: ImageDataset,
    model_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    renamed: bool,
) -> None:
    out = tmp_path / "out"
    monkeypatch.setattr("tfblindspots.training.checkpoint._LEAST_SECONDS", 0.0)
    monkeypatch.setattr("tfblindspots.training.checkpoint._SHARE", 1e9)

    def cut_off(loss: float, name: str, iterations: int) -> None:
        if iterations == 6:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("tfblindspots.training.lbfgs.check_finite", cut_off)
        train_network(CONFIG, train_set, test_set, out)
    assert sorted(path.name for path in out.iterdir()) == [
        ".checkpoint-fc10-1e-2.npz",
        ".job.json",
    ]
    with pytest.raises(InputError, match="belongs to a run with other settings"):
        train_network(dataclasses.replace(CONFIG, seed=1), train_set, test_set, out)
    # What a kill leaves in the middle of the export, or between its two renames.
    (tmp_path / ".out.0123abcd.tmp").mkdir()
    if renamed:
        out.rename(tmp_path / ".out.0123abcd.old")
    begun: list[int] = []
    monkeypatch.setattr(
        "tfblindspots.training.lbfgs.check_finite", lambda loss, name, at: begun.append(at)
    )
    manifest = train_network(CONFIG, train_set, test_set, out)
    assert begun == [5, 6, 7, 8, 9, 10]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert not any(path.name.startswith(".") for path in out.iterdir())
    expected = read_manifest(model_directory / ASSETS, "saved_model")
    for name in ("loss", "evaluations", "iterations", "test_error", "message"):
        assert manifest[name] == expected[name]
    found, trained = (load_keras_model(path).get_weights() for path in (out, model_directory))
    for mine, theirs in zip(found, trained, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_other_files_are_kept(
    tmp_path: Path, train_set: ImageDataset, test_set: ImageDataset
) -> None:
    (tmp_path / "mine").write_text("keep")
    with pytest.raises(InputError, match=r"holds other files \(mine\); name a new or empty"):
        train_network(CONFIG, train_set, test_set, tmp_path)
    assert (tmp_path / "mine").read_text() == "keep"
