from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tfblindspots.reports import comparisons, paper
from tfblindspots.reports.reading import read_results

WriteResults = Callable[[dict[str, Any]], Path]


def test_means_leave_out_the_diagonal_and_the_noise(
    write_results: WriteResults, results_content: dict[str, Any]
) -> None:
    table = read_results(write_results(results_content)).cross_model["random"]
    # By hand, from the paper's tables.
    row = (71.9 + 76.2 + 48.1 + 47 + 34.4) / 500
    column = (2.7 + 9.8 + 34.4 + 2 + 2.7) / 500
    assert comparisons.row_means(table)["fc10-1"] == pytest.approx(row)
    assert comparisons.column_means(table)["ae400-10"] == pytest.approx(column)
    assert comparisons.paper_row_means(paper.NETWORKS)["fc10-1"] == pytest.approx(row)
    assert comparisons.paper_column_means(paper.NETWORKS)["ae400-10"] == pytest.approx(column)


def test_the_papers_means_are_over_the_networks_that_were_run() -> None:
    means = comparisons.paper_row_means(["fc10-1", "ae400-10", "conv"])
    assert means == {"fc10-1": pytest.approx(0.344), "ae400-10": pytest.approx(0.248)}
    assert comparisons.paper_row_means(["fc10-1"]) == {}


def test_swaps_are_the_pairs_out_of_order() -> None:
    papers = {"a": 0.1, "b": 0.2, "c": 0.3}
    assert comparisons.swaps({"a": 1, "b": 2, "c": 3, "other": 0}, papers) == []
    assert comparisons.swaps({"a": 1, "b": 3, "c": 2}, papers) == [("b", "c")]
    assert comparisons.swaps({"a": 1, "b": 1}, papers) == [("a", "b")]
