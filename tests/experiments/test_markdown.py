"""Tables read well as plain text."""

from tfblindspots.experiments import error_table, robust_accuracy_table


def test_a_table() -> None:
    def cell(rate: float, low: float, high: float) -> dict[str, float]:
        return {"rate": rate, "low": low, "high": high}

    table = {
        "columns": ["a", "a-longer-name"],
        "rows": [
            {
                "name": "made for a",
                "made_for": "a",
                "mean_distortion": 0.0625,
                "cells": [cell(1, 0.631, 1.0), cell(0.125, 0.003, 0.527)],
            },
            {
                "name": "clean",
                "made_for": None,
                "mean_distortion": 0.0,
                "cells": [cell(0, 0.0, 0.369), cell(0.5, 0.157, 0.843)],
            },
        ],
    }
    # The space before "%" is one that does not break.
    assert error_table(table).replace("\xa0", " ") == (
        "| error on   |               a |   a-longer-name | mean distortion |\n"
        "| ---------- | --------------: | --------------: | --------------: |\n"
        "| made for a | 100 % [63, 100] |  12.5 % [0, 53] |          0.0625 |\n"
        "| clean      |     0 % [0, 37] | 50.0 % [16, 84] |               0 |\n"
    )


def test_a_table_of_robust_accuracy() -> None:
    first = {"radii": [0.0, 1.0, 2.0], "upper": [1.0, 0.5, 0.25], "lower": [0.75, 0.5, 0.25]}
    second = {"radii": [0.0, 1.5], "upper": [0.875, 0.0], "lower": [0.875, 0.0]}
    curves = [{"name": "a", **first}, {"name": "b", **second}]
    assert robust_accuracy_table({"curves": curves}).replace("\xa0", " ") == (
        "| radius (L2) |               a |      b |\n"
        "| ----------- | --------------: | -----: |\n"
        "| 0           |           100 % | 87.5 % |\n"
        "| 0.5         | 75.0 % to 100 % | 87.5 % |\n"
        "| 1           |          50.0 % | 87.5 % |\n"
        "| 1.5         |          50.0 % |    0 % |\n"
        "| 2           |          25.0 % |    0 % |\n"
    )


def test_names_stay_in_their_cells() -> None:
    name = "a|b\n<script>`x` [y](javascript:z) \x1b[2J\x07"
    cell = {"rate": 1, "low": 0.631, "high": 1.0}
    row = {"name": name, "made_for": None, "mean_distortion": 0.0, "cells": [cell]}
    table = error_table({"columns": [name], "rows": [row]})
    assert len(table.splitlines()) == 3
    assert all(char.isprintable() for char in table.replace("\n", "").replace("\xa0", ""))
    escaped = r"a\|b \<script>\`x\` [y\](javascript:z)  [2J "
    assert table.count(escaped) == 2
    assert "100\xa0% [63, 100]" in table
