from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tfblindspots.errors import InputError
from tfblindspots.reports.reading import read_results

WriteResults = Callable[[dict[str, Any]], Path]


def test_networks_and_rows_come_in_the_papers_order(
    write_results: WriteResults, results_content: dict[str, Any]
) -> None:
    results_content["networks"].reverse()
    table = results_content["cross_model"]["random"]
    table["rows"].reverse()
    table["columns"].reverse()
    results = read_results(write_results(results_content))
    order = ["fc10-1e-4", "fc10-1e-2", "fc10-1", "fc100-100-10", "fc200-200-10", "ae400-10"]
    assert [network.name for network in results.networks] == order
    assert list(results.cross_model["random"].columns) == order
    rows = results.cross_model["random"].rows
    assert [row.made_for for row in rows] == [*order, None, None, None]
    assert [row.mean_distortion for row in rows[-3:]] == [0, 0.1, 0.3]
    assert results.targets == ("random", "untargeted")


def test_provenance_comes_from_the_manifest_or_the_results(
    write_results: WriteResults, results_content: dict[str, Any]
) -> None:
    results = read_results(write_results(results_content))
    assert (results.seed, results.version) == (7, "0.1.0")
    assert results.command == "scripts/reproduce.py --dataset=mnist --seed=7"
    results_content.update(flags={"models": ["fc10-1", "ae400-10"], "num_examples": None}, seed=8)
    directory = write_results(results_content)
    (directory / "manifest.json").unlink()
    results = read_results(directory)
    assert results.seed == 8
    assert results.command == "scripts/reproduce.py --models=fc10-1,ae400-10"
    results_content["command"] = "make reproduce"
    assert read_results(write_results(results_content)).command == "make reproduce"


@pytest.mark.parametrize("content", [{}, {"networks": []}, {"networks": [{"name": "mine"}]}])
def test_missing_parts_are_empty(write_results: WriteResults, content: dict[str, Any]) -> None:
    results = read_results(write_results(content))
    assert results.cross_model == {}
    assert all(network.train_error is None for network in results.networks)


def test_missing_results_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no results\.json; expected a directory that"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([], r"\[\] where an object belongs"),
        ({"networks": "fc10"}, "'fc10' where a list belongs"),
        ({"networks": [{}]}, "no 'name'"),
        ({"train_count": "many"}, "'many' where a number belongs"),
        ({"seconds": True}, "True where a number belongs"),
        ({"cross_model": []}, r"\[\] where an object belongs"),
        (
            {"networks": [{"name": "x", "test_error": {"rate": 7.4, "low": 7, "high": 8}}]},
            r"an error rate of 7\.4 within \[7, 8\], expected fractions",
        ),
    ],
)
def test_other_forms_are_rejected(write_results: WriteResults, content: Any, reason: str) -> None:
    directory = write_results(content)
    with pytest.raises(InputError, match=f"does not have the expected form .*{reason}") as caught:
        read_results(directory)
    assert "\n" not in str(caught.value)


def test_results_that_are_not_json_are_rejected(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(InputError, match="is not valid JSON"):
        read_results(tmp_path)
