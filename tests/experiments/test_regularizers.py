"""E7 at its smallest: seven ways, one seed, two epochs."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tfblindspots.artifacts import read_json
from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.experiments import RegularizersConfig, compare_regularizers, regularizers
from tfblindspots.reports.regularizers import NAMES, regularizers_section
from tfblindspots.training import PoolConfig

CONFIG = RegularizersConfig(
    seeds=(3,), pool=PoolConfig(size=40, renewal=30, interval=2), epochs=2, num_examples=20
)


@pytest.fixture(scope="module")
def root(
    tmp_path_factory: pytest.TempPathFactory, train_set: ImageDataset, test_set: ImageDataset
) -> Path:
    root = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regularizers, "MODEL", "fc6-5-10")
        compare_regularizers(CONFIG, train_set, test_set, root / "regularizers")
    return root


@pytest.fixture
def results(root: Path) -> dict[str, Any]:
    return read_json(root / "regularizers" / "results.json")


def test_each_variant_has_a_run_for_each_seed(root: Path, results: dict[str, Any]) -> None:
    assert list(results["variants"]) == list(NAMES)
    for name, found in results["variants"].items():
        assert [run["flags"]["seed"] for run in found["runs"]] == [3]
        for run in found["runs"]:
            assert run["flags"]["pool_layers"] == ",".join(found["layers"])
            assert sorted(run["pools"]) == sorted(found["layers"])
            for setting in ("weight_decay", "pixel_dropout", "unit_dropout"):
                assert run["flags"][setting] == found[setting]
            directory = root / "regularizers" / name / str(run["flags"]["seed"])
            assert read_json(directory / "results.json") == run


def test_only_the_regularisation_differs(results: dict[str, Any]) -> None:
    variants = results["variants"]
    assert [found["layers"] for found in variants.values()] == [
        *([], [], []),
        *(["images"], ["hidden_1"], ["hidden_2"]),
        ["images", "hidden_1", "hidden_2"],
    ]
    assert variants["weight_decay"]["weight_decay"] > 0
    assert variants["dropout"]["pixel_dropout"] > 0
    assert variants["dropout"]["unit_dropout"] > 0
    settings = [
        tuple(found[name] for name in ("weight_decay", "pixel_dropout", "unit_dropout"))
        for found in variants.values()
    ]
    assert sum(any(setting) for setting in settings) == 2


def test_means_and_differences_are_of_the_runs(
    tmp_path: Path, train_set: ImageDataset, test_set: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(0)

    def made_up(*_: object, **__: object) -> dict[str, Any]:
        errors = generator.uniform(0.01, 0.1, 4).tolist()
        return {
            "test_error": {"rate": errors[-1]},
            "train_error": {"rate": 0.0},
            "distortion": {"mean_distortion": float(generator.uniform(0.01, 0.1))},
            "curve": [{"loss": 1.0, "test_error": error} for error in errors],
            "seconds": 1.0,
        }

    monkeypatch.setattr(regularizers, "train_with_pools", made_up)
    config = dataclasses.replace(CONFIG, seeds=(0, 1, 2))
    variants = compare_regularizers(config, train_set, test_set, tmp_path / "out")["variants"]

    def values(name: str, key: str) -> np.ndarray:
        keys = {"test_error": "rate", "distortion": "mean_distortion"}
        return np.array([run[key][keys[key]] for run in variants[name]["runs"]])

    for name, found in variants.items():
        errors = values(name, "test_error")
        assert found["test_error"]["mean"] == pytest.approx(errors.mean())
        assert sorted(found["error_differences"]) == sorted(set(variants) - {name})
        for other, difference in found["error_differences"].items():
            expected = errors - values(other, "test_error")
            assert difference["values"] == pytest.approx(expected)
            interval = stats.ttest_1samp(expected, 0).confidence_interval(0.95)
            assert (difference["low"], difference["high"]) == pytest.approx(tuple(interval))
        ratios = values(name, "distortion") / values("none", "distortion")
        assert found["distortion_ratio"]["mean"] == pytest.approx(ratios.mean())
        curves = np.array(
            [[epoch["test_error"] for epoch in run["curve"]] for run in found["runs"]]
        )
        assert found["curve"]["mean"] == pytest.approx(curves.mean(axis=0))
        assert found["curve"]["low"] == pytest.approx(curves.min(axis=0))
        assert found["curve"]["high"] == pytest.approx(curves.max(axis=0))


def test_the_report_shows_every_variant(root: Path) -> None:
    section = regularizers_section(root)
    assert section is not None
    table, curves = section.parts
    assert table.table is not None
    assert [row.name for row in table.table.rows] == list(NAMES.values())
    assert [picture.title for picture in curves.pictures] == ["Learning curves"]
    assert [len(claim.findings) for claim in section.claims] == [3, 3]


def test_what_is_finished_is_kept(
    root: Path, train_set: ImageDataset, test_set: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regularizers, "MODEL", "fc6-5-10")
    monkeypatch.setattr(regularizers, "train_with_pools", lambda *_, **__: pytest.fail("again"))
    results = compare_regularizers(CONFIG, train_set, test_set, root / "regularizers")
    assert results == read_json(root / "regularizers" / "results.json")
    other = dataclasses.replace(CONFIG, seeds=(4,))
    with pytest.raises(InputError, match="--seeds=3 there, 4 here"):
        compare_regularizers(other, train_set, test_set, root / "regularizers")


def test_there_must_be_a_seed(
    tmp_path: Path, train_set: ImageDataset, test_set: ImageDataset
) -> None:
    config = dataclasses.replace(CONFIG, seeds=())
    with pytest.raises(InputError, match="there are no seeds; expected at least one"):
        compare_regularizers(config, train_set, test_set, tmp_path / "out")
