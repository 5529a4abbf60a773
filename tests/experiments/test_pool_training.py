"""Training with pools as users get it: a network, its pools as sets, and numbers."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.experiments.summaries import read_summaries
from tfblindspots.adversarial_sets import read_adversarial_set
from tfblindspots.analysis import error_rate
from tfblindspots.artifacts import read_json, read_manifest
from tfblindspots.attacks import AttackConfig, find_adversarial_examples
from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.experiments import PoolTrainingConfig, train_with_pools
from tfblindspots.models import load_classifier, load_layer, predict_classes
from tfblindspots.training import PoolConfig

CONFIG = PoolTrainingConfig(
    "fc12-10", pool=PoolConfig(size=40, renewal=30, interval=20), epochs=60, num_examples=30
)


@pytest.fixture(scope="module")
def directory(
    tmp_path_factory: pytest.TempPathFactory, train_set: ImageDataset, test_set: ImageDataset
) -> Path:
    directory = tmp_path_factory.mktemp("pool") / "out"
    board = directory.parent / "board"
    train_with_pools(CONFIG, train_set, test_set, directory, tensorboard_dir=board)
    return directory


@pytest.fixture
def results(directory: Path) -> dict[str, Any]:
    return read_json(directory / "results.json")


def test_errors_and_distortion_are_those_of_the_network_on_disk(
    directory: Path, results: dict[str, Any], train_set: ImageDataset, test_set: ImageDataset
) -> None:
    classifier = load_classifier(directory / "saved_model")
    for name, images in (("train_error", train_set), ("test_error", test_set)):
        predictions = predict_classes(classifier, images.images)
        assert results[name] == error_rate(predictions, images.labels)._asdict()
    assert results["curve"][-1]["test_error"] == results["test_error"]["rate"]
    assert len(results["curve"]) == 60
    losses = read_summaries(directory.parent / "board" / "train")["loss"]
    assert [step for step, _ in losses] == list(range(1, 61))
    expected = [np.float32(point["loss"]) for point in results["curve"]]
    assert [float(loss) for _, loss in losses] == expected
    errors = dict(read_summaries(directory.parent / "board" / "test")["error"])
    for step, error in errors.items():
        assert float(error) == np.float32(results["curve"][step - 1]["test_error"])
    assert list(errors)[-1] == 60
    found = find_adversarial_examples(
        classifier, test_set.images[:30], test_set.labels[:30], AttackConfig("untargeted")
    )
    assert results["distortion"]["count"] == 30
    mean = found.distortion[found.success == 1].mean()
    assert results["distortion"]["mean_distortion"] == pytest.approx(mean, rel=1e-3)


def test_pools_are_adversarial_sets_of_the_network(
    directory: Path, results: dict[str, Any], train_set: ImageDataset
) -> None:
    assert sorted(results["pools"]) == ["hidden_1", "images"]
    model = directory / "saved_model"
    for place, notes in results["pools"].items():
        found = read_adversarial_set(directory / "pools" / place)
        fields = found.examples
        assert found.source_split == "train"
        rows = np.searchsorted(train_set.indices, fields["index"])
        np.testing.assert_array_equal(fields["label"], train_set.labels[rows])
        images = train_set.images[rows]
        if place == "images":
            np.testing.assert_array_equal(fields["original"], images)
            predicted = predict_classes(load_classifier(model), fields["image"])
            np.testing.assert_array_equal(fields["prediction"], predicted)
        else:
            activations = load_layer(model, place).activations(images)
            assert fields["original"].shape == (len(rows), 1, 1, 12)
            np.testing.assert_allclose(fields["original"].reshape(-1, 12), activations, atol=1e-5)
        assert notes["size"] == len(rows) > 0
        assert notes["still_adversarial"] == fields["success"].mean()
        assert notes["evaluations_per_step"] == notes["evaluations"] / results["steps"]


def test_tensorflow_alone_reads_the_network(directory: Path, test_set: ImageDataset) -> None:
    loaded = tf.saved_model.load(str(directory / "saved_model"))
    outputs = loaded.signatures["serving_default"](images=tf.constant(test_set.images[:5]))
    expected = predict_classes(load_classifier(directory / "saved_model"), test_set.images[:5])
    np.testing.assert_array_equal(outputs["classes"], expected)


def test_manifests_say_what_was_done(directory: Path) -> None:
    flags = read_manifest(directory, "pool_training")["flags"]
    assert flags["pool_layers"] == "images,hidden_1"
    assert (flags["pool_size"], flags["weight_decay"], flags["epochs"]) == (40, 0.0, 60)
    network = read_manifest(directory / "saved_model" / "assets.extra", "saved_model")
    assert network["flags"] == flags
    assert network["weight_decays"] == {}


def test_a_finished_training_is_taken_as_it_is(
    directory: Path, train_set: ImageDataset, test_set: ImageDataset
) -> None:
    before = (directory / "results.json").stat().st_mtime_ns
    results = train_with_pools(CONFIG, train_set, test_set, directory)
    assert results == read_json(directory / "results.json")
    assert (directory / "results.json").stat().st_mtime_ns == before
    other = dataclasses.replace(CONFIG, pool=PoolConfig(size=41, renewal=30, interval=20))
    with pytest.raises(InputError, match="--pool_size=40 there, 41 here"):
        train_with_pools(other, train_set, test_set, directory)


def test_an_interrupted_training_begins_anew(
    directory: Path,
    tmp_path: Path,
    train_set: ImageDataset,
    test_set: ImageDataset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(
            "tfblindspots.experiments.pool_training.write_adversarial_set",
            lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt),
        )
        with pytest.raises(KeyboardInterrupt):
            train_with_pools(CONFIG, train_set, test_set, out)
    assert (out / "saved_model").is_dir()
    assert not (out / "manifest.json").exists()
    again = train_with_pools(CONFIG, train_set, test_set, out)
    first = read_json(directory / "results.json")
    assert again["curve"] == first["curve"]
    assert again["pools"] == first["pools"]


def test_without_pools_there_are_none(
    tmp_path: Path, train_set: ImageDataset, test_set: ImageDataset
) -> None:
    config = dataclasses.replace(CONFIG, layers=(), epochs=2)
    results = train_with_pools(config, train_set, test_set, tmp_path / "out")
    assert results["pools"] == {}
    assert not (tmp_path / "out" / "pools").exists()


def test_pools_that_were_never_filled_are_left_out(
    tmp_path: Path, train_set: ImageDataset, test_set: ImageDataset
) -> None:
    config = dataclasses.replace(CONFIG, pool=PoolConfig(interval=10_000), epochs=1)
    results = train_with_pools(config, train_set, test_set, tmp_path / "out")
    assert results["pools"]["images"]["size"] == 0
    assert results["pools"]["images"]["still_adversarial"] is None
    assert not (tmp_path / "out" / "pools").exists()


def test_nothing_is_left_where_nothing_can_be_done(
    tmp_path: Path, train_set: ImageDataset, test_set: ImageDataset
) -> None:
    config = dataclasses.replace(CONFIG, layers=("images", "hidden_3"))
    with pytest.raises(InputError, match="no hidden layer 'hidden_3'; expected images or one of"):
        train_with_pools(config, train_set, test_set, tmp_path / "out")
    assert not (tmp_path / "out").exists()
