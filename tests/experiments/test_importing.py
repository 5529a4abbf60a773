"""Networks with weights from elsewhere are measured and exported once."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from tfblindspots.analysis import top_error_rate
from tfblindspots.artifacts import fingerprint_path, read_manifest
from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.experiments import ImportConfig, image_size, import_model
from tfblindspots.models import ASSETS, get_definition, load_classifier, predict_logits

CONFIG = ImportConfig("squeezenet", image_size=(40, 36), num_classes=12)


def build(seed: int = 3) -> keras.Model:
    return get_definition("squeezenet").build((40, 36, 3), 12, seed)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "weights.npz"
    arrays = {
        f"{layer.name}/{weight.name}": weight.numpy()
        for layer in build().layers
        for weight in layer.weights
    }
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="module")
def photos() -> ImageDataset:
    generator = np.random.default_rng(0)
    return ImageDataset(
        name="photos",
        split="test",
        images=generator.random((20, 40, 36, 3), np.float32),
        labels=generator.integers(0, 12, 20),
        indices=np.arange(20),
        num_classes=12,
        class_names=tuple(map(str, range(12))),
        fingerprint="0",
    )


@pytest.fixture(scope="module")
def directory(
    tmp_path_factory: pytest.TempPathFactory, weights: Path, photos: ImageDataset
) -> Path:
    path = tmp_path_factory.mktemp("models") / "squeezenet"
    import_model(CONFIG, weights, path, photos)
    return path


def test_the_export_has_the_weights(directory: Path, photos: ImageDataset) -> None:
    expected = build()(photos.images).numpy()
    logits = predict_logits(load_classifier(directory), photos.images)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4 * expected.max())


def test_the_manifest_says_what_the_model_does(
    directory: Path, weights: Path, photos: ImageDataset
) -> None:
    manifest = read_manifest(directory / ASSETS, "saved_model")
    logits = build()(photos.images).numpy()
    for name, count in (("test_error", 1), ("top5_error", 5)):
        expected = top_error_rate(logits, photos.labels, count)
        assert 0 < expected.errors < 20 or name == "test_error"
        assert manifest[name] == expected._asdict()
    assert manifest["image_shape"] == [40, 36, 3]
    assert manifest["num_classes"] == 12
    assert manifest["inputs"]["weights"] == {
        "name": "weights.npz",
        "fingerprint": fingerprint_path(weights),
    }


def test_it_is_imported_once(
    directory: Path, weights: Path, photos: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tfblindspots.experiments.importing.load_weights", pytest.fail)
    manifest = import_model(CONFIG, weights, directory, photos)
    assert manifest == read_manifest(directory / ASSETS, "saved_model")
    other = dataclasses.replace(CONFIG, num_classes=11)
    with pytest.raises(InputError, match=r"\(--num_classes=12 there, 11 here\); repeat those"):
        import_model(other, weights, directory, photos)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_classes": 11}, r"do not fit layer conv10 of .*kernel \[1, 1, 512, 11\] expected, "),
        ({"model": "squeezenett"}, "model 'squeezenett' is unknown"),
        ({"model": "conv", "image_size": None}, "conv is not made for one size of images; say "),
        ({"image_size": (20, 20)}, "takes images of at least 35x35 pixels, and these have 20x20"),
    ],
)
def test_what_does_not_fit_leaves_nothing(
    config: dict[str, object], message: str, weights: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        import_model(dataclasses.replace(CONFIG, **config), weights, tmp_path / "model")
    assert not any(tmp_path.iterdir())


def test_labels_must_be_classes(weights: Path, photos: ImageDataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="labels range from 1 to 12; model squeezenet has the"):
        import_model(
            CONFIG, weights, tmp_path / "m", dataclasses.replace(photos, labels=photos.labels + 1)
        )
    with pytest.raises(InputError, match=r"weights .*none\.npz do not exist;"):
        import_model(CONFIG, tmp_path / "none.npz", tmp_path / "m")
    assert not any(tmp_path.iterdir())


def test_definitions_know_their_size() -> None:
    assert image_size(ImportConfig("squeezenet")) == (227, 227)
    assert image_size(ImportConfig("inceptionv3")) == (299, 299)
    assert image_size(ImportConfig("vgg16", image_size=(64, 96))) == (64, 96)
