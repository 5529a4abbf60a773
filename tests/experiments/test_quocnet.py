"""Training a QuocNet: what it writes, that labels stay out of the features, that it resumes."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from tfblindspots.artifacts import fingerprint_arrays, read_manifest
from tfblindspots.data import ImageDataset, load_dataset
from tfblindspots.errors import InputError
from tfblindspots.experiments import QuocNetConfig, quocnet, train_quocnet
from tfblindspots.models import Stage, load_classifier, predict_classes

_CONFIG = QuocNetConfig((Stage(4, 2, 6, 2, 1, 3), Stage(2, 1, 8, 2, 1, 3)), steps=6)


def _bars(count: int, split: str) -> ImageDataset:
    """Bars of random phase with noise, level in class 0 and upright in class 1."""
    random = np.random.default_rng(count)
    phases = random.uniform(0, 2 * np.pi, (count, 1, 1, 1))
    bars = np.sin(np.arange(12)[:, None, None] * np.pi / 2 + phases) * np.ones((12, 1))
    images = 0.5 + 0.3 * bars + random.uniform(-0.1, 0.1, bars.shape)
    labels = (np.arange(count) % 4 == 0).astype(np.int64)
    images[labels == 1] = images[labels == 1].swapaxes(1, 2)
    images = images.astype(np.float32)
    fingerprint = fingerprint_arrays(images, labels)
    return ImageDataset(
        "bars", split, images, labels, np.arange(count), 2, ("rest", "upright"), fingerprint
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("quocnet") / "out"
    train_quocnet(_CONFIG, _bars(400, "train"), _bars(200, "test"), directory)
    return directory


def test_it_writes_a_network_and_honest_numbers(trained: Path) -> None:
    names = sorted(entry.name for entry in trained.iterdir())
    assert names == ["filters.png", "manifest.json", "results.json", "saved_model"]
    results = json.loads((trained / "results.json").read_text())
    test_set = _bars(200, "test")
    classifier = load_classifier(trained / "saved_model")
    predictions = predict_classes(classifier, test_set.images)
    table = [
        [int(np.sum((test_set.labels == a) & (predictions == b))) for b in (0, 1)] for a in (0, 1)
    ]
    assert results["test"]["confusion"] == table
    assert results["test"]["recall"]["count"] == 50
    assert results["test"]["balanced_accuracy_low"] > 0.55
    assert [stage["output"] for stage in results["stages"]] == [[4, 4, 6], [2, 2, 8]]
    assert results["features"] == 32
    assert results["weights"] == 25 * (16 + 1) * 6 + 9 * (24 + 1) * 8 + 33 * 2
    assert len(results["stages"][0]["curve"]) == 6
    assert set(results["seconds"]) == {"stage 1", "stage 2", "classifier", "measuring"}
    manifest = read_manifest(trained / "saved_model" / "assets.extra", "saved_model")
    assert manifest["class_names"] == ["rest", "upright"]
    assert manifest["title"] == "scaled-down QuocNet"
    assert read_manifest(trained, "quocnet")["flags"]["steps"] == 6


def test_labels_have_no_part_in_the_features(trained: Path, tmp_path: Path) -> None:
    train_set = _bars(400, "train")
    other = dataclasses.replace(train_set, labels=1 - train_set.labels, fingerprint="another")
    train_quocnet(_CONFIG, other, _bars(200, "test"), tmp_path / "out")
    first, second = (_weights(path / "saved_model") for path in (trained, tmp_path / "out"))
    for number in (1, 2):
        np.testing.assert_array_equal(first[f"filters_{number}"], second[f"filters_{number}"])
    assert not np.allclose(first["logits"], second["logits"])


def _weights(path: Path) -> dict[str, np.ndarray]:
    model = keras.models.load_model(path / "assets.extra" / "model.keras", compile=False)
    return {layer.name: layer.get_weights()[0] for layer in model.layers if layer.get_weights()}


def test_it_resumes_after_a_complete_stage(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn, learnt = quocnet.learn_stage, []

    def interrupted(inputs: np.ndarray, number: int, *rest: object, **options: object) -> object:
        learnt.append(number)
        if learnt == [1, 2]:
            raise KeyboardInterrupt
        return learn(inputs, number, *rest, **options)

    monkeypatch.setattr(quocnet, "learn_stage", interrupted)
    arguments = (_CONFIG, _bars(400, "train"), _bars(200, "test"), tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        train_quocnet(*arguments)
    with pytest.raises(InputError, match=r"belongs to a run with other settings \(--seed=0 there"):
        train_quocnet(dataclasses.replace(_CONFIG, seed=1), *arguments[1:])
    results = train_quocnet(*arguments)
    assert learnt == [1, 2, 2]
    expected = json.loads((trained / "results.json").read_text())
    for name in ("test", "train", "classifier", "features"):
        assert json.loads(json.dumps(results))[name] == expected[name]
    assert train_quocnet(*arguments) == json.loads(json.dumps(results))
    assert learnt == [1, 2, 2]


def test_more_than_two_classes_are_refused(tmp_path: Path) -> None:
    digits = load_dataset("digits", "test")
    with pytest.raises(InputError, match=r"digits has 10 classes.* Say which with --positive_cl"):
        train_quocnet(_CONFIG, digits, digits, tmp_path / "out")
    for train_set, test_set, message in (
        (_bars(20, "train"), _bars(40, "test"), "split 'train' of bars has 5 images of class 'up"),
        (_bars(40, "train"), _bars(0, "test"), "split 'test' of bars has 0 images of class 'rest"),
    ):
        with pytest.raises(InputError, match=message):
            train_quocnet(_CONFIG, train_set, test_set, tmp_path / "out")
    assert not (tmp_path / "out").exists()
