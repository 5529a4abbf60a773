"""E3 at its smallest: three networks that are hardly trained, twenty images, two seeds."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfblindspots.adversarial_sets import read_adversarial_set
from tfblindspots.analysis import error_rate
from tfblindspots.artifacts import read_json, read_manifest
from tfblindspots.attacks import AttackConfig, rms_distortion
from tfblindspots.data import ImageDataset, load_dataset
from tfblindspots.errors import InputError
from tfblindspots.experiments import TrainingConfig, train_network, training_sets
from tfblindspots.experiments.training_sets import TrainingSetsConfig, compare_training_sets
from tfblindspots.models import load_classifier, predict_classes
from tfblindspots.reports.claims import Verdict
from tfblindspots.reports.training_sets import training_sets_section

CONFIG = TrainingSetsConfig(seeds=(0, 1), num_examples=20)
Halves = tuple[ImageDataset, ImageDataset]


@pytest.fixture(scope="module")
def halves() -> Halves:
    return load_dataset("digits", "train[:20%]"), load_dataset("digits", "train[20%:40%]")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, halves: Halves, test_set: ImageDataset) -> Path:
    """A directory of a report with a finished run, interrupted before its second seed."""

    def short(config: TrainingConfig, *arguments: Any, **named: Any) -> dict[str, Any]:
        config = dataclasses.replace(config, max_iterations=25)
        return train_network(config, *arguments, **named)

    def interrupted(config: TrainingConfig, *arguments: Any, **named: Any) -> dict[str, Any]:
        if config.seed == 3:
            raise KeyboardInterrupt
        return short(config, *arguments, **named)

    root = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        cheap = functools.partial(AttackConfig, batch_size=10, xla=False)
        patch.setattr(training_sets, "AttackConfig", cheap)
        patch.setattr(training_sets, "train_network", interrupted)
        with pytest.raises(KeyboardInterrupt):
            compare_training_sets(CONFIG, halves, test_set, root / "training_sets")
        patch.setattr(training_sets, "train_network", short)
        compare_training_sets(CONFIG, halves, test_set, root / "training_sets")
    return root


@pytest.fixture
def results(root: Path) -> dict[str, Any]:
    return read_json(root / "training_sets" / "results.json")


def test_errors_are_those_of_the_networks_on_both_halves(
    root: Path, results: dict[str, Any], halves: Halves, test_set: ImageDataset
) -> None:
    for run in results["runs"]:
        for network, half in zip(run["networks"], ("P1", "P1", "P2"), strict=True):
            path = root / "training_sets/saved_models" / str(run["seed"]) / network["name"]
            classifier = load_classifier(path)
            for name, images in (("P1", halves[0]), ("P2", halves[1]), ("test", test_set)):
                expected = error_rate(predict_classes(classifier, images.images), images.labels)
                assert network["errors"][name] == expected._asdict()
            assert network["trained_on"] == half
            other = "P2" if half == "P1" else "P1"
            assert network["errors"][half]["rate"] < network["errors"][other]["rate"]


def test_no_two_networks_start_alike(root: Path) -> None:
    directories = (root / "training_sets/saved_models").glob("*/*")
    prints = {load_classifier(path).fingerprint for path in directories}
    assert len(prints) == 6


@pytest.mark.parametrize("target", ["random", "untargeted"])
def test_tables_are_measured_on_the_sets(root: Path, results: dict[str, Any], target: str) -> None:
    table = results["runs"][1]["tables"][target]
    assert table["columns"] == ["M1", "M2", "M3"]
    assert [(row["name"], row["made_for"]) for row in table["rows"]] == [
        ("M1", "M1"),
        ("M2", "M2"),
        ("M3", "M3"),
        ("M1, amplified to 0.1", "M1"),
        ("M2, amplified to 0.1", "M2"),
        ("M3, amplified to 0.1", "M3"),
        ("clean images", None),
        ("Gaussian noise 0.06", None),
        ("Gaussian noise 0.1", None),
    ]
    for i, row in enumerate(table["rows"][:3]):
        assert row["cells"][i]["rate"] == 1
    found = read_adversarial_set(root / "training_sets/adversarial_sets" / target / "1" / "M2")
    model = load_classifier(root / "training_sets/saved_models/1/M3")
    predictions = predict_classes(model, found.examples["image"])
    expected = error_rate(predictions, found.examples["label"])._asdict()
    assert table["rows"][1]["cells"][2] == {"model": "M3", **expected}
    amplified = table["rows"][4]["mean_distortion"]
    assert 0 < amplified <= 0.1 * (1 + 1e-5)
    plain = rms_distortion(found.examples["original"], found.examples["image"])
    assert table["rows"][1]["mean_distortion"] == pytest.approx(plain.mean(), rel=1e-4)


def test_means_are_over_the_seeds(results: dict[str, Any]) -> None:
    rates = [run["tables"]["random"]["rows"][0]["cells"][2]["rate"] for run in results["runs"]]
    cell = results["means"]["tables"]["random"]["rows"][0]["cells"][2]
    assert cell["values"] == rates
    assert cell["mean"] == pytest.approx(np.mean(rates))


def test_the_report_shows_means_and_judges_them(root: Path, results: dict[str, Any]) -> None:
    section = training_sets_section(root)
    assert section is not None
    assert [claim.experiment for claim in section.claims] == ["E3"] * 3
    assert all(claim.verdict is not Verdict.UNTESTED for claim in section.claims)
    networks, random, _ = (part.table for part in section.parts)
    assert networks is not None and random is not None
    assert [row.name for row in networks.rows] == ["M1", "M2", "M3"]
    assert networks.rows[0].cells[2].paper == "2.00\N{NO-BREAK SPACE}%"
    assert random.rows[3].cells[1].paper == "98.0\N{NO-BREAK SPACE}%"
    assert random.rows[0].cells[0].diagonal


def test_a_finished_run_is_taken_as_it_is(
    root: Path, results: dict[str, Any], halves: Halves, test_set: ImageDataset
) -> None:
    directory = root / "training_sets"
    assert compare_training_sets(CONFIG, halves, test_set, directory) == results
    assert read_manifest(directory, "training_sets")["flags"]["seeds"] == "0,1"
    with pytest.raises(InputError, match=r"--seeds=0,1 there, 0,1,2,3,4 here"):
        compare_training_sets(TrainingSetsConfig(num_examples=20), halves, test_set, directory)


def test_halves_that_overlap_are_refused(tmp_path: Path, test_set: ImageDataset) -> None:
    halves = (load_dataset("digits", "train[:300]"), load_dataset("digits", "train[250:600]"))
    with pytest.raises(
        InputError,
        match=r"train\[:300\] and train\[250:600\] of digits overlap: they share 50 images, "
        r"train\[250:300\]\. Name disjoint",
    ):
        compare_training_sets(CONFIG, halves, test_set, tmp_path / "out")
    assert not (tmp_path / "out").exists()
