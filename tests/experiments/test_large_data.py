"""Experiments on images that are read when needed give what they give of the same in memory."""

import functools
from pathlib import Path

import numpy as np
import pytest

from tfblindspots.artifacts import read_json
from tfblindspots.attacks import AttackConfig
from tfblindspots.data import ImageDataset, LazyImages, lazy_images, load_dataset, survey
from tfblindspots.errors import InputError
from tfblindspots.experiments import (
    UnitsConfig,
    evaluate_models,
    inspect_units,
    make_adversarial_set,
    verify_adversarial_set,
)
from tfblindspots.experiments.choosing import choose_images
from tfblindspots.models import Classifier, get_definition, load_classifier
from tfblindspots.training import train

MODEL = "saved_models/digits/fc10-1e-2"
_SHARD = 8


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load_classifier(MODEL)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[ImageDataset, ImageDataset]:
    """The same digits in memory and read when needed."""
    directory = tmp_path_factory.mktemp("data")
    digits = load_dataset("digits", "test[:40]")
    np.savez(directory / "photos.npz", images=digits.images, labels=digits.labels)
    load = functools.partial(load_dataset, str(directory / "photos.npz"), "test")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFBLINDSPOTS_CACHE_DIR", str(directory / "cache"))
        patch.setattr(survey, "MOST_IN_MEMORY", 0)
        lazily = load()
    assert isinstance(lazily.images, LazyImages)
    return load(), lazily


@pytest.fixture
def largest(both: tuple[ImageDataset, ImageDataset], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images were read at a time."""
    counts: list[int] = []
    images = both[1].images
    assert isinstance(images, LazyImages)
    read = images._read

    def counted(rows: np.ndarray) -> np.ndarray:
        counts.append(len(rows))
        return read(rows)

    monkeypatch.setattr(images, "_read", counted)
    monkeypatch.setattr("tfblindspots.models.classifier._BATCH", 5)
    return counts


def test_an_attack_and_its_verification(
    tmp_path: Path,
    classifier: Classifier,
    both: tuple[ImageDataset, ImageDataset],
    largest: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tfblindspots.experiments.attack.MODEL_SAMPLE", 4)

    found = [tmp_path / "in_memory", tmp_path / "lazy"]
    for dataset, directory in zip(both, found, strict=True):
        make_adversarial_set(
            classifier, dataset, AttackConfig(), directory, sample=20, shard_size=_SHARD
        )
    shards = sorted(path.name for path in found[0].glob("*tfrecord*"))
    assert len(shards) == 3
    for name in shards:
        assert (found[0] / name).read_bytes() == (found[1] / name).read_bytes()
    assert max(largest) == _SHARD
    verified = verify_adversarial_set(
        found[1], load_model=lambda interface: classifier, load_dataset=lambda name, split: both[1]
    )
    assert verified.holds, verified.verdict(found[1])


def test_images_for_one_class(
    classifier: Classifier, both: tuple[ImageDataset, ImageDataset], largest: list[int]
) -> None:
    in_memory, lazily = (
        choose_images(classifier, dataset, "3", 0, num_examples=None).positions.tolist()
        for dataset in both
    )
    assert in_memory == lazily and max(largest) == 5


def test_an_evaluation_with_noise(
    tmp_path: Path,
    classifier: Classifier,
    both: tuple[ImageDataset, ImageDataset],
    largest: list[int],
) -> None:
    tables = []
    for name, dataset in zip(("in_memory", "lazy"), both, strict=True):
        evaluate_models([classifier], [], tmp_path / name, clean=dataset, noise_stddevs=[0.1, 0.3])
        tables.append(read_json(tmp_path / name / "results.json"))
    assert tables[0] == tables[1] and len(tables[1]["rows"]) == 3
    assert set(largest) == {5}


def test_training_needs_all_images_in_memory(
    both: tuple[ImageDataset, ImageDataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lazy_images, "_LARGEST_PART", 0)
    with pytest.raises(
        InputError, match=r"^training fc10-1 needs all 40 images in memory, .*; exp"
    ):
        train(get_definition("fc10-1"), both[1], seed=0, max_iterations=1)


def test_units(tmp_path: Path, both: tuple[ImageDataset, ImageDataset], largest: list[int]) -> None:
    config = UnitsConfig("hidden_1", num_units=4, num_directions=6, top=5, rows=2)
    model, other = "saved_models/digits/fc100-100-10", (MODEL, "logits")
    in_memory, lazily = (
        inspect_units(model, dataset, config, tmp_path / str(number), reference=other)
        for number, dataset in enumerate(both)
    )
    for key in ("kinds", "comparisons", "moving_units"):
        assert in_memory[key] == lazily[key]
    for picture in (tmp_path / "0").glob("*.png"):
        assert picture.read_bytes() == (tmp_path / "1" / picture.name).read_bytes()
