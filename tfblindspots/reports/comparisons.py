"""Means and orders in the cross-model tables, on which verdicts and texts rest."""

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import NamedTuple

from tfblindspots.reports import paper
from tfblindspots.reports.results import CrossTable, ImageSetRow


class Swap(NamedTuple):
    """Two networks whose order in the paper (first below second) is the other way round here."""

    first: str
    second: str


def mean(values: Iterable[float]) -> float | None:
    """The arithmetic mean; None of nothing."""
    numbers = list(values)
    return sum(numbers) / len(numbers) if numbers else None


def row_mean(table: CrossTable, row: ImageSetRow) -> float | None:
    """How much a set hurts: mean error of the networks for which it was not made."""
    return mean(cell.rate for cell in table.off_diagonal(row).values())


def row_means(table: CrossTable) -> dict[str, float]:
    """``row_mean`` of every network's set, by network."""
    means = {row.made_for: row_mean(table, row) for row in table.rows if row.made_for is not None}
    return {name: value for name, value in means.items() if value is not None}


def column_mean(table: CrossTable, column: str) -> float | None:
    """How badly a network resists: its mean error on the sets made for other networks."""
    return mean(
        row.cells[column].rate
        for row in table.rows
        if row.made_for not in (None, column) and column in row.cells
    )


def column_means(table: CrossTable) -> dict[str, float]:
    """``column_mean`` of every network, by network."""
    means = {column: column_mean(table, column) for column in table.columns}
    return {name: value for name, value in means.items() if value is not None}


def paper_row_means(names: Iterable[str]) -> dict[str, float]:
    """The paper's ``row_means`` over the networks in ``names`` that it has."""
    known = [name for name in names if name in paper.NETWORKS]
    rows = {
        name: mean(paper.CROSS_MODEL[name][other] for other in known if other != name)
        for name in known
    }
    return {name: value for name, value in rows.items() if value is not None}


def paper_column_means(names: Iterable[str]) -> dict[str, float]:
    """The paper's ``column_means`` over the networks in ``names`` that it has."""
    known = [name for name in names if name in paper.NETWORKS]
    columns = {
        name: mean(paper.CROSS_MODEL[other][name] for other in known if other != name)
        for name in known
    }
    return {name: value for name, value in columns.items() if value is not None}


def swaps(ours: Mapping[str, float], papers: Mapping[str, float]) -> list[Swap]:
    """The pairs that the paper orders one way and our numbers the other way.

    A tie here counts as out of order; networks that only one side has do not count.
    """
    names = sorted(set(ours) & set(papers), key=lambda name: (papers[name], name))
    return [Swap(a, b) for a, b in combinations(names, 2) if ours[a] >= ours[b]]
