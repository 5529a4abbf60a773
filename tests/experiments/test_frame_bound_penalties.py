"""E6 at its smallest: one penalty and none, two seeds, a few steps."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfblindspots.adversarial_sets import read_adversarial_set
from tfblindspots.artifacts import read_json
from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.experiments import (
    FrameBoundPenaltiesConfig,
    compare_frame_bound_penalties,
    frame_bound_penalties,
)
from tfblindspots.reports.claims import Verdict
from tfblindspots.reports.frame_bounds import frame_bounds_section
from tfblindspots.training import fit

CONFIG = FrameBoundPenaltiesConfig(seeds=(0, 1), num_examples=10)


@pytest.fixture(scope="module")
def root(
    tmp_path_factory: pytest.TempPathFactory, train_set: ImageDataset, test_set: ImageDataset
) -> Path:
    root = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "_STEPS", 90)
        patch.setattr(frame_bound_penalties, "PENALTIES", {"none": None, "0.3": 0.3})
        compare_frame_bound_penalties(CONFIG, train_set, test_set, root / "frame_bounds")
    return root


@pytest.fixture
def results(root: Path) -> dict[str, Any]:
    return read_json(root / "frame_bounds" / "results.json")


def test_a_run_says_what_its_parts_on_disk_say(root: Path, results: dict[str, Any]) -> None:
    for name, found in results["penalties"].items():
        assert [run["seed"] for run in found["runs"]] == [0, 1]
        for run in found["runs"]:
            place = root / "frame_bounds" / name / str(run["seed"])
            bounds = read_json(place / "frame_bounds" / "results.json")
            assert run["bound"] == bounds["bound"]
            assert run["upper"]["logits"] == bounds["layers"][-1]["upper"]
            assert 0 < run["expansion"] < run["bound"]
            examples = read_adversarial_set(place / "adversarial_set").examples
            assert len(examples["label"]) == 10
            assert run["distortion"] == pytest.approx(examples["distortion"].mean(), rel=1e-5)
            assert run["certified"] < run["found"]


def test_the_penalty_lowers_the_bounds_and_means_are_of_the_runs(results: dict[str, Any]) -> None:
    none, some = results["penalties"].values()
    assert (none["weight"], some["weight"]) == (None, 0.3)
    assert some["bound"]["mean"] < none["bound"]["mean"]
    ratios = [
        own["distortion"] / plain["distortion"]
        for own, plain in zip(some["runs"], none["runs"], strict=True)
    ]
    assert some["distortion_ratio"]["mean"] == pytest.approx(np.mean(ratios))
    assert none["distortion_ratio"]["mean"] == 1
    uppers = [run["upper"]["convolution"] for run in some["runs"]]
    assert some["upper"]["convolution"]["mean"] == pytest.approx(np.mean(uppers))


def test_the_report_shows_every_penalty_and_judges(root: Path, results: dict[str, Any]) -> None:
    section = frame_bounds_section(root)
    assert section is not None
    effects, layers, papers = section.parts
    assert effects.table is not None and layers.table is not None and papers.table is not None
    assert [row.name for row in effects.table.rows] == ["none", "0.3"]
    assert layers.table.header == ("convolution", "hidden_1", "logits")
    assert papers.table.rows[1].cells[0].text == "5×5×256"
    first, second = section.claims
    lowest = min(run["upper"]["convolution"] for run in results["penalties"]["none"]["runs"])
    assert first.findings[0].verdict is (Verdict.HOLDS if lowest > 1 else Verdict.FAILS)
    # Two seeds are too few for more.
    above = results["penalties"]["0.3"]["distortion_ratio"]["mean"] > 1
    assert second.findings[0].verdict is (Verdict.PARTLY if above else Verdict.FAILS)


def test_what_is_finished_is_kept(
    root: Path, train_set: ImageDataset, test_set: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_bound_penalties, "PENALTIES", {"none": None, "0.3": 0.3})
    monkeypatch.setattr(frame_bound_penalties, "_run", lambda *_: pytest.fail("again"))
    directory = root / "frame_bounds"
    results = compare_frame_bound_penalties(CONFIG, train_set, test_set, directory)
    assert results == read_json(directory / "results.json")
    other = dataclasses.replace(CONFIG, seeds=(4,))
    with pytest.raises(InputError, match="--seeds=0,1 there, 4 here"):
        compare_frame_bound_penalties(other, train_set, test_set, directory)


def test_there_must_be_a_seed(
    tmp_path: Path, train_set: ImageDataset, test_set: ImageDataset
) -> None:
    config = dataclasses.replace(CONFIG, seeds=())
    with pytest.raises(InputError, match="there are no seeds; expected at least one"):
        compare_frame_bound_penalties(config, train_set, test_set, tmp_path / "out")
