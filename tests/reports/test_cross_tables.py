from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tfblindspots.reports import cross_tables
from tfblindspots.reports.reading import read_results

WriteResults = Callable[[dict[str, Any]], Path]


def test_cells_stand_beside_the_papers(
    write_results: WriteResults, results_content: dict[str, Any]
) -> None:
    cell = results_content["cross_model"]["random"]["rows"][0]["cells"][1]
    cell.update(rate=0.25, low=0.24, high=0.26)
    results = read_results(write_results(results_content))
    table = cross_tables.cross_model_table(results, "random")
    assert [row.name for row in table.rows] == [
        "FC10(1e-4)",
        "FC10(1e-2)",
        "FC10(1)",
        "FC100-100-10",
        "FC200-200-10",
        "AE400-10",
        "clean images",
        "Gaussian noise 0.1",
        "Gaussian noise 0.3",
        "Mean of the sets made for others",
    ]
    assert table.header[:2] == ("FC10(1e-4)", "FC10(1e-2)")
    changed = table.rows[0].cells[1]
    assert (changed.text, changed.detail, changed.paper) == (
        "25.0\xa0%",
        "[24.0, 26.0]",
        "11.7\xa0%",
    )
    assert changed.tint == 50
    diagonal = table.rows[4].cells[4]
    assert (diagonal.text, diagonal.diagonal, diagonal.tint) == ("100\xa0%", True, None)
    assert sum(cell.diagonal for row in table.rows for cell in row.cells) == 6
    # The clean images are the training images: their error in the paper is the training error.
    assert table.rows[6].cells[5].paper == "0.57\xa0%"
    assert table.rows[8].cells[0].paper == "15.6\xa0%"
    assert table.rows[2].cells[-2].text == table.rows[2].cells[-2].paper == "55.5\xa0%"
    assert table.rows[2].cells[-1].text == "0.140"
    assert table.rows[-1].cells[5].paper == "10.3\xa0%"
    assert table.rows[-1].summary
    assert len({len(row.cells) for row in table.rows}) == 1


@pytest.mark.parametrize(("stddev", "paper"), [(0.0998, "5\xa0%"), (0.2, "")])
def test_only_the_papers_noise_has_its_numbers(
    write_results: WriteResults, results_content: dict[str, Any], stddev: float, paper: str
) -> None:
    results_content["cross_model"]["random"]["rows"][7]["mean_distortion"] = stddev
    results = read_results(write_results(results_content))
    table = cross_tables.cross_model_table(results, "random")
    assert table.rows[7].cells[0].paper == paper


def test_cells_that_were_not_measured_are_dashes(
    write_results: WriteResults, results_content: dict[str, Any]
) -> None:
    results_content["cross_model"]["random"]["rows"][0]["cells"].pop(1)
    results = read_results(write_results(results_content))
    table = cross_tables.cross_model_table(results, "random")
    assert (table.rows[0].cells[1].text, table.rows[0].cells[1].tint) == ("–", None)


def test_notes_say_where_the_papers_order_does_not_hold(
    write_results: WriteResults, results_content: dict[str, Any]
) -> None:
    rows = results_content["cross_model"]["untargeted"]["rows"]
    for cell in rows[0]["cells"][1:]:
        cell["rate"] = 0.15  # in the paper the mean of this row is the lowest
    results = read_results(write_results(results_content))
    harm, resistance = cross_tables.order_notes(results, "random")
    assert harm.statement == resistance.statement == "All 15 pairs are in the paper’s order."
    assert resistance.here[0] == "AE400-10 10.3\xa0%"
    harm, _ = cross_tables.order_notes(results, "untargeted")
    assert harm.statement == (
        "The paper’s order does not hold in 1 of 15 pairs: FC10(1e-4) and FC100-100-10."
    )
    assert harm.papers[:2] == ("FC10(1e-4) 8.60\xa0%", "FC100-100-10 14.5\xa0%")
    assert harm.here[:2] == ("FC100-100-10 14.5\xa0%", "FC10(1e-4) 15.0\xa0%")


def test_one_network_has_no_order(
    write_results: WriteResults, results_content: dict[str, Any]
) -> None:
    table = results_content["cross_model"]["random"]
    table.update(columns=["fc10-1"], rows=table["rows"][2:3])
    table["rows"][0]["cells"] = table["rows"][0]["cells"][2:3]
    results = read_results(write_results(results_content))
    assert cross_tables.order_notes(results, "random") == ()
    (row,) = cross_tables.cross_model_table(results, "random").rows
    assert [cell.text for cell in row.cells] == ["100\xa0%", "", "0.140"]
