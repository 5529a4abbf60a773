from collections.abc import Callable
from pathlib import Path
from typing import Any

from tfblindspots.reports import tables
from tfblindspots.reports.reading import read_results
from tfblindspots.reports.tables import Cell

WriteResults = Callable[[dict[str, Any]], Path]


def test_the_network_table_stands_beside_the_papers(
    write_results: WriteResults, results_content: dict[str, Any]
) -> None:
    table = tables.network_table(read_results(write_results(results_content)))
    assert [row.name for row in table.rows][3:] == ["FC100-100-10", "FC200-200-10", "AE400-10"]
    row = dict(zip(table.header, table.rows[3].cells, strict=True))
    assert row["Weight decay λ"] == Cell("1e-5, 1e-5, 1e-6", paper="1e-5, 1e-5, 1e-6")
    assert row["Train error"] == Cell("0\xa0%", "[0, 0.01]", "0\xa0%")
    assert row["Test error"] == Cell("1.64\xa0%", "[1.4, 1.9]", "1.64\xa0%")
    assert row["Mean distortion, random"] == Cell("0.0580", paper="0.058")
    assert row["Mean distortion, untargeted"] == Cell("0.0348", paper="0.058")
    assert row["Iterations"].text == "412"
    assert row["Evaluations"].text == "431"
    assert row["Training time"].text == "1 min 37 s"
    assert row["Converged"] == Cell("yes", "gradient below the tolerance", words=True)
    assert table.rows[5].cells[-1].text == "no"


def test_a_network_unknown_to_the_paper_has_no_numbers_of_it(write_results: WriteResults) -> None:
    results = read_results(write_results({"networks": [{"name": "conv"}]}))
    (row,) = tables.network_table(results).rows
    assert row.name == "conv"
    assert [cell.paper for cell in row.cells] == [""] * len(row.cells)
    assert {cell.text for cell in row.cells} == {"–"}


def test_the_papers_numbers_are_labelled_as_of_mnist_on_other_data(
    write_results: WriteResults, results_content: dict[str, Any]
) -> None:
    assert tables.paper_label(read_results(write_results(results_content)).dataset) == "paper"
    results_content["dataset"] = "digits"
    assert (
        tables.paper_label(read_results(write_results(results_content)).dataset) == "paper, MNIST"
    )


def test_the_attack_table(write_results: WriteResults, results_content: dict[str, Any]) -> None:
    del results_content["networks"][1]["attacks"]["random"]
    table = tables.attack_table(read_results(write_results(results_content)), "random")
    assert [row.name for row in table.rows][:2] == ["FC10(1e-4)", "FC10(1)"]
    row = {head: c.text for head, c in zip(table.header, table.rows[0].cells, strict=True)}
    assert row == {
        "Images": "60,000",
        "Success": "100\xa0%",
        "Mean distortion, all": "0.0620",
        "Mean, correct": "0.0651",
        "Median, correct": "0.0620",
        "5 % to 95 %, correct": "0.0248 to 0.118",
        "Evaluations": "61.2",
        "Images/s": "719",
        "Time": "1 min 23 s",
        "Why the searches ended": "converged 55,980, already misclassified 4,020",
    }
