"""E5 at its smallest: a layer of five units, thirty images."""

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tfblindspots.analysis import label_coherence
from tfblindspots.artifacts import read_json
from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.experiments import TrainingConfig, UnitsConfig, inspect_units, train_network
from tfblindspots.models import load_layer
from tfblindspots.reports.units import units_section

CONFIG = UnitsConfig("hidden_1", num_units=4, num_directions=12, top=5, rows=2)


@pytest.fixture(scope="module")
def network(
    tmp_path_factory: pytest.TempPathFactory, train_set: ImageDataset, test_set: ImageDataset
) -> Path:
    directory = tmp_path_factory.mktemp("models") / "fc5-10"
    train_network(TrainingConfig("fc5-10", max_iterations=10), train_set, test_set, directory)
    return directory


@pytest.fixture(scope="module")
def root(
    tmp_path_factory: pytest.TempPathFactory,
    network: Path,
    model_directory: Path,
    test_set: ImageDataset,
) -> Path:
    """A directory of a report in which one layer was inspected."""
    root = tmp_path_factory.mktemp("report")
    reference = (model_directory, "logits")
    inspect_units(network, test_set, CONFIG, root / "units" / "hidden_1", reference=reference)
    return root


@pytest.fixture
def results(root: Path) -> dict[str, Any]:
    return read_json(root / "units/hidden_1/results.json")


def test_units_have_the_images_that_maximise_them(
    results: dict[str, Any], network: Path, test_set: ImageDataset
) -> None:
    activations = load_layer(network, "hidden_1").activations(test_set.images)
    found = results["kinds"]["units"]
    assert len(found["numbers"]) == len(set(found["numbers"])) == 4
    for unit, top in zip(found["numbers"], found["top"], strict=True):
        order = np.argsort(-activations[:, unit], kind="stable")[:5]
        assert top == test_set.indices[order].tolist()
    top = np.array(found["top"])
    purity = label_coherence(test_set.labels[top], 10)["purity"]
    np.testing.assert_allclose(found["measures"]["purity"], purity)


def test_every_measure_is_compared_with_every_kind_of_directions(results: dict[str, Any]) -> None:
    assert list(results["comparisons"]) == ["random", "whitened"]
    for kind, measures in results["comparisons"].items():
        assert list(measures) == ["purity", "entropy", "pixels", "features"]
        assert len(results["kinds"][kind]["top"]) == 12
        for measure, found in measures.items():
            values = results["kinds"][kind]["measures"][measure]
            assert found["directions"] == pytest.approx(np.mean(values))
    assert results["reference"] == {"model": "linear", "layer": "logits"}


def test_units_that_nothing_moves_are_left_out(
    tmp_path: Path, network: Path, test_set: ImageDataset
) -> None:
    """A network whose rectified units 0 and 2 are dead."""
    images = keras.Input((8, 8, 1))
    hidden = keras.layers.Dense(6, "relu", name="hidden")(keras.layers.Flatten()(images))
    model = keras.Model(images, keras.layers.Dense(10, name="logits")(hidden))
    kernel = np.abs(np.random.default_rng(0).normal(size=(64, 6)))
    kernel[:, [0, 2]] *= -1
    model.get_layer("hidden").set_weights([kernel, np.zeros(6)])
    model.save(tmp_path / "dying.keras")
    config = dataclasses.replace(CONFIG, layer="hidden", num_units=100)
    results = inspect_units(tmp_path / "dying.keras", test_set, config, tmp_path / "out")
    assert results["kinds"]["units"]["numbers"] == [1, 3, 4, 5]
    assert (results["units"], results["moving_units"]) == (6, 4)
    named = dataclasses.replace(config, units=(1, 2))
    with pytest.raises(InputError, match="unit 2 of layer hidden is moved by fewer than 5 of the"):
        inspect_units(tmp_path / "dying.keras", test_set, named, tmp_path / "other")


def test_pictures_and_report(root: Path) -> None:
    directory = root / "units/hidden_1"
    files = ("units", "random_directions", "whitened_directions", "coherence")
    for name in files:
        assert (directory / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    section = units_section(root)
    assert section is not None
    (part,) = section.parts
    assert (
        part.heading
        == "Layer hidden_1: 4 of 5 units (5 are moved by at least 5 images), 12 directions"
    )
    assert part.table is not None and len(part.table.rows) == 8
    assert [picture.file for picture in part.pictures] == [
        f"figures/units_hidden_1_{name}.png" for name in files
    ]
    (claim,) = section.claims
    assert [finding.case for finding in claim.findings] == [
        "layer hidden_1, random directions",
        "layer hidden_1, random directions, whitened",
    ]


def test_named_units_are_those_shown(tmp_path: Path, network: Path, test_set: ImageDataset) -> None:
    config = dataclasses.replace(CONFIG, units=(3, 1), layer="hidden_1")
    results = inspect_units(network, test_set, config, tmp_path / "out")
    assert results["kinds"]["units"]["numbers"] == [3, 1]
    assert "features" not in results["comparisons"]["random"]
    assert inspect_units(network, test_set, config, tmp_path / "out") == results


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer": "hidden_2"}, "has no layer 'hidden_2'"),
        ({"units": (0, 5)}, "layer hidden_1 has no unit 5; expected 0 to 4."),
        (
            {"units": (2,)},
            "fewer than two units or directions cannot be compared; expected at least 2",
        ),
        ({"top": 31}, "the top 31 images were asked for, and digits .* has 30; expected"),
    ],
)
def test_bad_input_leaves_nothing(
    tmp_path: Path, network: Path, test_set: ImageDataset, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        inspect_units(network, test_set, dataclasses.replace(CONFIG, **change), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_labels_that_are_all_different_say_nothing(
    network: Path, test_set: ImageDataset, tmp_path: Path
) -> None:
    count = len(test_set.labels)
    distinct = dataclasses.replace(
        test_set,
        labels=np.random.default_rng(0).permutation(count),
        num_classes=count,
        class_names=tuple(map(str, range(count))),
    )
    results = inspect_units(network, distinct, CONFIG, tmp_path / "units")
    for kind in results["kinds"].values():
        assert list(kind["measures"]) == ["pixels"]
    assert list(results["comparisons"]["random"]) == ["pixels"]
    assert (tmp_path / "units" / "coherence.png").is_file()
