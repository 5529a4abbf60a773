"""Robust accuracy of sets on disk: measured once, compared only on the same images."""

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfblindspots.adversarial_sets import read_adversarial_set, write_adversarial_set
from tfblindspots.artifacts import read_json, read_manifest
from tfblindspots.attacks import AttackConfig
from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.experiments import make_adversarial_set, measure_robust_accuracy
from tfblindspots.models import Classifier


@pytest.fixture(scope="module")
def complete_set(
    tmp_path_factory: pytest.TempPathFactory, classifier: Classifier, test_set: ImageDataset
) -> Path:
    path = tmp_path_factory.mktemp("sets") / "complete"
    config = AttackConfig(target="untargeted", batch_size=10, xla=False)
    make_adversarial_set(classifier, test_set, config, path)
    return path


@pytest.fixture(scope="module")
def limited_set(
    tmp_path_factory: pytest.TempPathFactory, classifier: Classifier, test_set: ImageDataset
) -> Path:
    path = tmp_path_factory.mktemp("sets") / "limited"
    config = AttackConfig(target="untargeted", batch_size=10, xla=False, max_evaluations=16)
    make_adversarial_set(classifier, test_set, config, path)
    return path


@pytest.fixture
def other_set(tmp_path: Path, complete_set: Path) -> Path:
    """The first ten images only, as a user of the Python face writes them."""
    examples = read_adversarial_set(complete_set).examples
    write_adversarial_set(
        tmp_path / "other",
        {name: values[:10] for name, values in examples.items()},
        model="mine",
        class_names=list("0123456789"),
    )
    return tmp_path / "other"


def test_the_curves_are_those_of_the_sets(
    tmp_path: Path, complete_set: Path, limited_set: Path
) -> None:
    results = measure_robust_accuracy([complete_set, limited_set], tmp_path / "out")
    complete, limited = results["curves"]
    assert "upper bound" in results["meaning"]
    for curve, path in ((complete, complete_set), (limited, limited_set)):
        found = read_adversarial_set(path)
        statuses = Counter(found.examples["status"])
        assert curve["name"] == path.name
        assert (curve["model"], curve["target"]) == ("linear", "untargeted")
        assert curve["count"] == 30
        assert curve["correct"] == found.manifest["summary"]["attacked"] < 30
        assert curve["upper"][0] == curve["correct"] / 30
        assert curve["radii"] == sorted({0.0, *found.examples["l2"].astype(float)})
        # Of the attack's reasons all but these two leave the distance open.
        assert curve["open"] == (30 - statuses["converged"] - statuses["already misclassified"])
    assert complete["open"] == 0
    assert complete["lower"] == complete["upper"]
    assert limited["open"] > 0
    assert limited["lower"] != limited["upper"]

    assert read_json(tmp_path / "out" / "robust_accuracy.json") == results
    picture = Image.open(io.BytesIO((tmp_path / "out" / "robust_accuracy.png").read_bytes()))
    assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 10
    manifest = read_manifest(tmp_path / "out", "robust_accuracy")
    assert manifest["flags"] == {"adversarial_sets": "complete,limited"}
    assert set(manifest["inputs"]) == {"set complete", "set limited"}
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_measurements_are_not_repeated(
    tmp_path: Path, complete_set: Path, limited_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = measure_robust_accuracy([complete_set], tmp_path)
    monkeypatch.setattr("tfblindspots.experiments.robust_accuracy.robust_accuracy", pytest.fail)
    assert measure_robust_accuracy([complete_set], tmp_path) == first
    with pytest.raises(InputError, match="--adversarial_sets=complete there, limited here"):
        measure_robust_accuracy([limited_set], tmp_path)


def test_a_set_from_python_does_not_say_its_target(tmp_path: Path, other_set: Path) -> None:
    (curve,) = measure_robust_accuracy([other_set], tmp_path / "out")["curves"]
    assert (curve["model"], curve["target"], curve["count"]) == ("mine", None, 10)


def test_sets_of_different_images_are_refused(
    tmp_path: Path, complete_set: Path, other_set: Path
) -> None:
    message = "sets complete and other come from different images or labels; expected attacks on"
    with pytest.raises(InputError, match=message):
        measure_robust_accuracy([complete_set, other_set], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_distance_is_refused(
    tmp_path: Path, complete_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = read_adversarial_set(complete_set)
    found.examples["l2"][3] = np.nan
    monkeypatch.setattr(
        "tfblindspots.experiments.robust_accuracy.read_adversarial_set", lambda path: found
    )
    with pytest.raises(InputError, match="set complete: an l2 is negative or not finite"):
        measure_robust_accuracy([complete_set], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_to_measure(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to measure; name at least one adversarial set"):
        measure_robust_accuracy([], tmp_path / "out")
    assert not (tmp_path / "out").exists()
