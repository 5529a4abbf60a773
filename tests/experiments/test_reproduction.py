"""Which experiments run, on which images; each has tests of its own."""

import functools
from pathlib import Path
from typing import Any

import pytest

from tfblindspots.artifacts import write_json
from tfblindspots.data import load_dataset
from tfblindspots.errors import InputError
from tfblindspots.experiments import ReproductionConfig, reproduce, reproduction

LOAD = functools.partial(load_dataset, "digits")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What is called instead of the experiments and the report."""
    calls: list[tuple[Any, ...]] = []

    def networks(config, train_set, test_set, directory, *, progress):  # type: ignore[no-untyped-def]
        calls.append(("networks", config.models, train_set.split, test_set.split, directory.name))

    def training_sets(config, halves, test_set, directory, *, progress):  # type: ignore[no-untyped-def]
        splits = [half.split for half in halves]
        calls.append(("training_sets", config.seeds, config.noise_stddevs, splits, directory.name))

    def train(config, train_set, test_set, directory, *, progress):  # type: ignore[no-untyped-def]
        calls.append(("train", config.model, directory.relative_to(directory.parents[2])))

    def units(model, dataset, config, directory, *, reference, progress):  # type: ignore[no-untyped-def]
        calls.append(("units", model.name, dataset.split, config.layer, directory.name))

    def regularizers(config, train_set, test_set, directory, *, progress):  # type: ignore[no-untyped-def]
        splits = [train_set.split, test_set.split]
        calls.append(("regularizers", config.seeds, config.num_examples, splits, directory.name))

    def frame_bounds(config, train_set, test_set, directory, *, progress):  # type: ignore[no-untyped-def]
        splits = [train_set.split, test_set.split]
        calls.append(("frame_bounds", config.seeds, config.num_examples, splits, directory.name))

    def report(directory: Path) -> Path:
        calls.append(("report",))
        return directory / "report.html"

    monkeypatch.setattr(reproduction, "compare_networks", networks)
    monkeypatch.setattr(reproduction, "compare_training_sets", training_sets)
    monkeypatch.setattr(reproduction, "train_network", train)
    monkeypatch.setattr(reproduction, "inspect_units", units)
    monkeypatch.setattr(reproduction, "compare_regularizers", regularizers)
    monkeypatch.setattr(reproduction, "compare_frame_bound_penalties", frame_bounds)
    monkeypatch.setattr(reproduction, "write_report", report)
    return calls


def test_all_experiments_run_in_order(calls: list[tuple[Any, ...]], tmp_path: Path) -> None:
    config = ReproductionConfig(num_seeds=2, num_examples=9, amplify_to=0.2)
    assert reproduce(config, LOAD, tmp_path) == tmp_path / "report.html"
    halves = ["train[:50%]", "train[50%:]"]
    assert calls == [
        ("networks", config.models, "train", "test", "networks"),
        ("training_sets", (0, 1), (0.06, 0.1, 0.2), halves, "training_sets"),
        ("train", "conv", Path("units/saved_models/conv")),
        ("train", "fc100-100-10", Path("units/saved_models/fc100-100-10")),
        ("units", "conv", "test", "max_pooling", "max_pooling"),
        ("units", "conv", "test", "hidden_1", "hidden_1"),
        ("frame_bounds", (0, 1), 9, ["train", "test"], "frame_bounds"),
        ("regularizers", (0, 1), 9, ["train", "test"], "regularizers"),
        ("report",),
    ]


@pytest.mark.parametrize(
    ("experiments", "called"),
    [
        (("E3",), ["training_sets", "report"]),
        (("E4", "E2"), ["networks", "report"]),
        (("E6",), ["frame_bounds", "report"]),
        (("E7",), ["regularizers", "report"]),
        (("E5", "E1"), ["train", "train", "units", "units", "networks", "report"]),
    ],
)
def test_a_part_runs_once(
    calls: list[tuple[Any, ...]], tmp_path: Path, experiments: tuple[str, ...], called: list[str]
) -> None:
    reproduce(ReproductionConfig(experiments), LOAD, tmp_path)
    assert [call[0] for call in calls] == called


def test_unknown_experiments_are_refused(calls: list[tuple[Any, ...]], tmp_path: Path) -> None:
    for experiments, found in ((("E1", "E9"), "E1,E9"), ((), "none")):
        with pytest.raises(InputError, match=f"experiments are {found}; expected some of E1,E2"):
            reproduce(ReproductionConfig(experiments), LOAD, tmp_path / "out")
    assert not (tmp_path / "out").exists() and calls == []


def test_results_of_an_older_form_are_refused(calls: list[tuple[Any, ...]], tmp_path: Path) -> None:
    write_json(tmp_path / "results.json", {})
    with pytest.raises(InputError, match=r"results\.json"):
        reproduce(ReproductionConfig(), LOAD, tmp_path)
    assert calls == []
