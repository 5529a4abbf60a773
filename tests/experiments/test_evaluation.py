"""Every model is measured on every set, and the measurements are written once."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tfblindspots.adversarial_sets import read_adversarial_set
from tfblindspots.analysis import error_rate
from tfblindspots.artifacts import read_json, read_manifest
from tfblindspots.attacks import AttackConfig
from tfblindspots.data import ImageDataset, load_dataset
from tfblindspots.errors import InputError
from tfblindspots.experiments import (
    distinct_names,
    error_table,
    evaluate_models,
    make_adversarial_set,
)
from tfblindspots.models import Classifier, load_classifier, predict_classes


@pytest.fixture(scope="module")
def adversarial_set(
    tmp_path_factory: pytest.TempPathFactory,
    classifier: Classifier,
    test_set: ImageDataset,
    config: AttackConfig,
) -> Path:
    path = tmp_path_factory.mktemp("sets") / "first"
    make_adversarial_set(classifier, test_set, config, path)
    return path


@pytest.fixture(scope="module")
def other_set(
    tmp_path_factory: pytest.TempPathFactory, classifier: Classifier, config: AttackConfig
) -> Path:
    path = tmp_path_factory.mktemp("sets") / "second"
    make_adversarial_set(classifier, load_dataset("digits", "test[30:40]"), config, path)
    return path


def test_the_table_counts_the_errors(
    tmp_path: Path,
    classifier: Classifier,
    model_directory: Path,
    test_set: ImageDataset,
    adversarial_set: Path,
) -> None:
    twin = load_classifier(model_directory, name="twin")
    table = evaluate_models(
        [classifier, twin], [adversarial_set], tmp_path / "out", noise_stddevs=[0.1], seed=3
    )
    assert table["columns"] == ["linear", "twin"]
    assert [row["name"] for row in table["rows"]] == ["first", "clean images", "Gaussian noise 0.1"]
    adversarial, clean, _ = table["rows"]
    assert [cell["rate"] for cell in adversarial["cells"]] == [1, 1]
    predictions = predict_classes(classifier, test_set.images)
    expected = error_rate(predictions, test_set.labels)._asdict()
    assert clean["cells"][0] == {"model": "linear", **expected}
    summary = read_adversarial_set(adversarial_set).manifest["summary"]
    np.testing.assert_allclose(adversarial["mean_distortion"], summary["mean_distortion"])

    assert read_json(tmp_path / "out" / "results.json") == table
    assert (tmp_path / "out" / "table.md").read_text() == error_table(table)
    manifest = read_manifest(tmp_path / "out", "evaluation")
    assert manifest["flags"]["noise_stddevs"] == "0.1"
    assert manifest["inputs"]["model linear"]["fingerprint"] == classifier.fingerprint
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_measurements_are_not_repeated(
    tmp_path: Path,
    classifier: Classifier,
    adversarial_set: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = evaluate_models([classifier], [adversarial_set], tmp_path)
    monkeypatch.setattr("tfblindspots.experiments.evaluation.cross_error_table", pytest.fail)
    assert evaluate_models([classifier], [adversarial_set], tmp_path) == first
    with pytest.raises(InputError, match=r"--noise_stddevs= there, 0\.1 here"):
        evaluate_models([classifier], [adversarial_set], tmp_path, noise_stddevs=[0.1])


def test_sets_of_different_images_have_clean_rows_of_their_own(
    tmp_path: Path, classifier: Classifier, adversarial_set: Path, other_set: Path
) -> None:
    table = evaluate_models([classifier], [adversarial_set, other_set], tmp_path)
    assert [(row["name"], row["cells"][0]["count"]) for row in table["rows"]] == [
        ("first", 30),
        ("second", 10),
        ("clean images (first)", 30),
        ("clean images (second)", 10),
    ]


def test_a_dataset_gives_the_clean_images(
    tmp_path: Path, classifier: Classifier, adversarial_set: Path
) -> None:
    clean = load_dataset("digits", "test[40:60]")
    table = evaluate_models([classifier], [adversarial_set], tmp_path, clean=clean)
    assert [(row["name"], row["cells"][0]["count"]) for row in table["rows"]] == [
        ("first", 30),
        ("clean images", 20),
    ]


def test_amplified_sets_are_rows_of_their_own(
    tmp_path: Path, classifier: Classifier, adversarial_set: Path
) -> None:
    table = evaluate_models([classifier], [adversarial_set], tmp_path, amplify_to=0.2)
    assert [(row["name"], row["made_for"]) for row in table["rows"]] == [
        ("first", "linear"),
        ("first, amplified to 0.2", "linear"),
        ("clean images", None),
    ]
    examples = read_adversarial_set(adversarial_set).examples
    change = examples["image"] - examples["original"]
    size = np.sqrt(np.square(change, dtype=np.float64).mean(axis=(1, 2, 3), keepdims=True))
    scale = np.divide(0.2, size, out=np.ones_like(size), where=size > 0)
    images = np.clip(examples["original"] + scale * change, 0, 1).astype(np.float32)
    expected = error_rate(predict_classes(classifier, images), examples["label"])
    assert table["rows"][1]["cells"][0]["rate"] == expected.rate
    left = np.sqrt(np.square(images - examples["original"]).mean(axis=(1, 2, 3))).mean()
    assert table["rows"][1]["mean_distortion"] == pytest.approx(left, rel=1e-4)


def test_sets_of_another_split_than_the_clean_images_are_refused(
    tmp_path: Path, classifier: Classifier, adversarial_set: Path
) -> None:
    clean = load_dataset("digits", "train[:20]")
    with pytest.raises(
        InputError,
        match=r"set first was made of digits test, but the clean images are digits train\[:20\];",
    ):
        evaluate_models([classifier], [adversarial_set], tmp_path / "out", clean=clean)
    assert not (tmp_path / "out").exists()


def test_no_adversarial_set_is_needed(
    tmp_path: Path, classifier: Classifier, test_set: ImageDataset
) -> None:
    table = evaluate_models([classifier], [], tmp_path, clean=test_set)
    assert [row["name"] for row in table["rows"]] == ["clean images"]


def test_nothing_to_evaluate(tmp_path: Path, classifier: Classifier) -> None:
    with pytest.raises(InputError, match="nothing to evaluate; name at least one model, and"):
        evaluate_models([classifier], [], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_no_set_is_refused(
    tmp_path: Path, classifier: Classifier, model_directory: Path
) -> None:
    with pytest.raises(InputError, match=r"has no manifest\.json; expected a finished"):
        evaluate_models([classifier], [model_directory], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_images_that_do_not_fit_leave_nothing(
    tmp_path: Path, classifier: Classifier, test_set: ImageDataset
) -> None:
    wide = np.zeros((2, 8, 9, 1), np.float32)
    clean = dataclasses.replace(test_set, images=wide, labels=test_set.labels[:2])
    with pytest.raises(InputError, match=r"images have shape \[2, 8, 9, 1\]; model linear expects"):
        evaluate_models([classifier], [], tmp_path / "out", clean=clean)
    assert not (tmp_path / "out").exists()


def test_names_are_last_parts_or_whole_paths() -> None:
    assert distinct_names(["a/x/", "b/y"]) == ["x", "y"]
    assert distinct_names(["a/x/", "b/x", "b/z"]) == ["a/x", "b/x", "b/z"]
    with pytest.raises(InputError, match="a/x is named twice; expected each path once"):
        distinct_names(["a/x", "a/./x"])
