"""E1 and E2 at their smallest: two networks, ten images, everything written."""

import functools
from pathlib import Path
from typing import Any

import pytest

from tfblindspots.adversarial_sets import read_adversarial_set
from tfblindspots.artifacts import read_json, read_manifest
from tfblindspots.attacks import AttackConfig
from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.experiments import TrainingConfig, networks, train_network
from tfblindspots.experiments.networks import NetworksConfig, compare_networks

CONFIG = NetworksConfig(models=("fc10-1", "fc10-1e-2"), num_examples=10)


@pytest.fixture(scope="module")
def directory(
    tmp_path_factory: pytest.TempPathFactory, train_set: ImageDataset, test_set: ImageDataset
) -> Path:
    """A finished run, which was interrupted at its second network."""

    def interrupted(config: TrainingConfig, *arguments: Any, **named: Any) -> dict[str, Any]:
        if config.model == CONFIG.models[1]:
            raise KeyboardInterrupt
        return train_network(config, *arguments, **named)

    path = tmp_path_factory.mktemp("reproduction") / "digits"
    with pytest.MonkeyPatch.context() as patch:
        # Compiling by XLA would take longer than all the rest.
        cheap = functools.partial(AttackConfig, batch_size=10, xla=False)
        patch.setattr(networks, "AttackConfig", cheap)
        with patch.context() as second, pytest.raises(KeyboardInterrupt):
            second.setattr(networks, "train_network", interrupted)
            compare_networks(CONFIG, train_set, test_set, path)
        assert not (path / "manifest.json").exists()
        assert (path / "adversarial_sets/untargeted/fc10-1/manifest.json").exists()
        compare_networks(CONFIG, train_set, test_set, path)
    return path


def test_everything_is_there(directory: Path) -> None:
    assert sorted(path.name for path in directory.iterdir()) == [
        "adversarial_sets",
        "manifest.json",
        "results.json",
        "saved_models",
    ]
    assert read_manifest(directory, "networks")["flags"]["models"] == "fc10-1,fc10-1e-2"


def test_the_results_are_those_of_the_sets(directory: Path) -> None:
    results = read_json(directory / "results.json")
    assert [network["name"] for network in results["networks"]] == list(CONFIG.models)
    assert (results["train_count"], results["test_count"]) == (300, 30)
    for network in results["networks"]:
        for target in ("random", "untargeted"):
            found = read_adversarial_set(directory / "adversarial_sets" / target / network["name"])
            summary = network["attacks"][target]
            assert summary == found.manifest["summary"]
            assert summary["count"] == 10
            assert summary["success_rate"] == 1


@pytest.mark.parametrize("target", ["random", "untargeted"])
def test_a_network_errs_on_all_of_its_own_set(directory: Path, target: str) -> None:
    table = read_json(directory / "results.json")["cross_model"][target]
    assert table["columns"] == list(CONFIG.models)
    assert [row["name"] for row in table["rows"]] == [
        *CONFIG.models,
        "clean images",
        "Gaussian noise 0.1",
        "Gaussian noise 0.3",
        "Gaussian noise 1",
    ]
    for name, row in zip(CONFIG.models, table["rows"], strict=False):
        own = {cell["model"]: cell["rate"] for cell in row["cells"]}
        assert row["made_for"] == name
        assert own[name] == 1
    assert all(cell["count"] == 10 for row in table["rows"] for cell in row["cells"])


def test_a_finished_run_is_taken_as_it_is(
    directory: Path,
    train_set: ImageDataset,
    test_set: ImageDataset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(networks, "train_network", pytest.fail)
    found = compare_networks(CONFIG, train_set, test_set, directory)
    assert found == read_json(directory / "results.json")


def test_other_settings_are_refused(
    directory: Path, train_set: ImageDataset, test_set: ImageDataset
) -> None:
    with pytest.raises(InputError, match="--num_examples=10 there, None here"):
        compare_networks(NetworksConfig(models=CONFIG.models), train_set, test_set, directory)


def test_an_unknown_model_leaves_nothing(
    tmp_path: Path, train_set: ImageDataset, test_set: ImageDataset
) -> None:
    config = NetworksConfig(models=("fc10-1", "alexnot"))
    with pytest.raises(InputError, match="model 'alexnot' is unknown; expected"):
        compare_networks(config, train_set, test_set, tmp_path / "out")
    assert not (tmp_path / "out").exists()
