"""What TensorBoard gets of a training is what happened in it."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.experiments.summaries import picture, read_summaries
from tfblindspots.analysis import error_rate
from tfblindspots.artifacts import fingerprint_path, read_manifest, write_json
from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.experiments import TrainingConfig, train_network
from tfblindspots.experiments.jobs import CLAIM
from tfblindspots.models import ASSETS, Classifier, load_keras_model, predict_classes
from tfblindspots.reports.mosaics import enlarged, mosaic, weight_images

CONFIG = TrainingConfig("fc10-1e-2", max_iterations=10)


@pytest.fixture(scope="module")
def followed(
    tmp_path_factory: pytest.TempPathFactory, train_set: ImageDataset, test_set: ImageDataset
) -> Path:
    """A directory with a ``network`` that was followed on a ``board``."""
    place = tmp_path_factory.mktemp("followed")
    network, board = place / "network", place / "board"
    train_network(CONFIG, train_set, test_set, network, tensorboard_dir=board)
    return place


def test_the_network_is_the_same(followed: Path, model_directory: Path) -> None:
    for name in ("variables", "saved_model.pb"):
        first, second = (place / name for place in (followed / "network", model_directory))
        if name == "variables":
            assert fingerprint_path(first) == fingerprint_path(second)
    assert not (followed / "board" / CLAIM).exists()


def test_curves(
    followed: Path, classifier: Classifier, train_set: ImageDataset, test_set: ImageDataset
) -> None:
    train, test = (read_summaries(followed / "board" / name) for name in ("train", "test"))
    manifest = read_manifest(followed / "network" / ASSETS, "saved_model")
    assert [step for step, _ in train["loss"]] == list(range(1, 11))
    assert float(train["loss"][-1][1]) == np.float32(manifest["loss"])
    for found, images in ((train, train_set), (test, test_set)):
        assert [step for step, _ in found["error"]] == [1, 2, 3, 5, 7, 10]
        # Fewer than a thousand images: all of them.
        expected = error_rate(predict_classes(classifier, images.images), images.labels).rate
        assert float(found["error"][-1][1]) == np.float32(expected)
        assert float(found["error"][0][1]) > expected


def test_pictures_and_text(followed: Path) -> None:
    train, test = (read_summaries(followed / "board" / name) for name in ("train", "test"))
    weights = train["first layer's weights"]
    assert [step for step, _ in weights] == [1, 2, 3, 5, 7, 10]
    kernel = load_keras_model(followed / "network").get_layer("logits").kernel.numpy()
    units = weight_images(kernel, (8, 8, 1))
    assert units is not None
    np.testing.assert_allclose(
        picture(weights[-1][1]), 255 * enlarged(mosaic(units, gap=1), 512), atol=1
    )
    assert picture(test["test images"][0][1]).shape[2] == 3
    assert picture(test["wrong test images"][0][1]).std() > 10
    ((step, text),) = test["network"]
    assert step == 10
    assert text.item().decode().startswith("- FC10(1e-2) on digits\n- train error ")


def test_it_is_written_once_and_belongs_to_one_training(
    followed: Path, train_set: ImageDataset, test_set: ImageDataset
) -> None:
    board = followed / "board"
    before = fingerprint_path(board)
    train_network(CONFIG, train_set, test_set, followed / "network", tensorboard_dir=board)
    assert fingerprint_path(board) == before
    other = TrainingConfig("fc10-1e-2", max_iterations=11)
    message = r"^tensorboard_dir .*board belongs to a run with other settings \(--max_iterations=10"
    with pytest.raises(InputError, match=message):
        train_network(other, train_set, test_set, followed / "other", tensorboard_dir=board)
    assert not (followed / "other").exists()


def test_a_finished_network_has_all_but_curves(
    followed: Path,
    train_set: ImageDataset,
    test_set: ImageDataset,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    # What an interrupted run left is replaced.
    shutil.copytree(followed / "board" / "train", tmp_path / "late" / "train")
    manifest = read_manifest(followed / "board", "tensorboard")
    claim = {"flags": manifest["flags"], "inputs": manifest["inputs"], "notes": {}}
    write_json(tmp_path / "late" / CLAIM, claim)
    with caplog.at_level("INFO", logger="absl"):
        train_network(
            CONFIG,
            train_set,
            test_set,
            followed / "network",
            tensorboard_dir=tmp_path / "late",
        )
    (line,) = (text for text in caplog.messages if "TensorBoard" in text)
    assert line.startswith("TensorBoard gets no curves: the network was trained before; to have")
    train, test = (read_summaries(tmp_path / "late" / name) for name in ("train", "test"))
    assert "loss" not in train
    assert [step for step, _ in train["error"]] == [10]
    assert sorted(test) == ["error", "network", "test images", "wrong test images"]


def test_what_is_refused(
    tmp_path: Path,
    train_set: ImageDataset,
    test_set: ImageDataset,
    model_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tfblindspots.experiments.training.train", pytest.fail)

    def refused(directory: Path, config: TrainingConfig = CONFIG) -> str:
        with pytest.raises(InputError) as raised:
            train_network(config, train_set, test_set, tmp_path / "out", tensorboard_dir=directory)
        assert not (tmp_path / "out").exists()
        return str(raised.value)

    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("keep")
    assert refused(tmp_path / "full") == (
        f"tensorboard_dir {tmp_path / 'full'} holds other files (mine); name a new or empty "
        "directory."
    )
    assert "holds a result of kind saved_model; expected tensorboard." in refused(
        model_directory / ASSETS
    )
    monkeypatch.setitem(__import__("sys").modules, "tensorboard", None)
    assert refused(tmp_path / "board") == (
        "TensorBoard is not installed; say pip install '.[tensorboard]' in the folder of the "
        "source, or leave --tensorboard_dir (in Python tensorboard_dir) out."
    )
    assert not (tmp_path / "board").exists()


def test_a_training_that_cannot_begin_leaves_nothing(
    tmp_path: Path, train_set: ImageDataset, test_set: ImageDataset
) -> None:
    with pytest.raises(InputError, match="model fc20-7 has 7 classes but the data has 10"):
        train_network(
            TrainingConfig("fc20-7"),
            train_set,
            test_set,
            tmp_path / "out",
            tensorboard_dir=tmp_path / "board",
        )
    assert list(tmp_path.iterdir()) == []
