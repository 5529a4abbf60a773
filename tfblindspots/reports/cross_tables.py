"""The cross-model tables as text, and in words where the paper's order does not hold."""

from collections.abc import Iterable
from dataclasses import dataclass

from tfblindspots.reports import comparisons, formatting, paper
from tfblindspots.reports.results import CrossTable, ImageSetRow, Results
from tfblindspots.reports.tables import Cell, Row, Table


def cross_model_table(results: Results, target: str) -> Table:
    """Error of each network (column) on each set (row), with means over the off-diagonal cells.

    Rows and columns come in the paper's order. The heat map's tint grows with the square root of
    the error, so that the many small errors can be told apart; the diagonal is left out of it.
    """
    table = results.cross_model[target]
    paper_rows = comparisons.paper_row_means(table.columns)
    paper_columns = comparisons.paper_column_means(table.columns)
    column_means = comparisons.column_means(table)
    rows = [_cross_row(results, table, row, paper_rows) for row in table.rows]
    if column_means:
        means = tuple(
            Cell(
                formatting.percent(column_means.get(column)),
                paper=_paper_mean(paper_columns.get(column)),
            )
            for column in table.columns
        )
        blank = Cell("")
        rows.append(Row("Mean of the sets made for others", (*means, blank, blank), summary=True))
    return Table(
        corner="Made for ↓  fed to →",
        header=(
            *(results.title(column) for column in table.columns),
            "Mean of the others",
            "Mean distortion",
        ),
        rows=tuple(rows),
    )


def _cross_row(
    results: Results, table: CrossTable, row: ImageSetRow, paper_rows: dict[str, float]
) -> Row:
    mean_of_others = comparisons.row_mean(table, row) if row.made_for is not None else None
    distortion = formatting.distortion(row.mean_distortion)
    known = paper.NETWORKS.get(row.made_for or "")
    return Row(
        name=row.name if row.made_for is None else results.title(row.made_for),
        cells=(
            *(_cross_cell(row, column) for column in table.columns),
            Cell(
                formatting.percent(mean_of_others) if mean_of_others is not None else "",
                paper=_paper_mean(paper_rows.get(row.made_for or "")),
            ),
            Cell(distortion, paper=f"{known.distortion:g}" if known else ""),
        ),
    )


def _cross_cell(row: ImageSetRow, column: str) -> Cell:
    rate = row.cells.get(column)
    diagonal = row.made_for == column
    return Cell(
        text=formatting.percent(rate.rate if rate else None),
        detail=formatting.interval(rate.low, rate.high) if rate else "",
        paper=_paper_percent(_papers_rate(row, column)),
        tint=round(100 * rate.rate**0.5) if rate and not diagonal else None,
        diagonal=diagonal,
    )


def _papers_rate(row: ImageSetRow, column: str) -> float | None:
    if column not in paper.NETWORKS:
        return None
    if row.made_for is not None:
        return paper.CROSS_MODEL.get(row.made_for, {}).get(column)
    if row.clean:
        return paper.NETWORKS[column].train_error
    for stddev, rates in paper.NOISE.items():
        if row.noise_of(stddev):
            return rates[column]
    return None


def _paper_percent(rate: float | None) -> str:
    return formatting.short_percent(rate) if rate is not None else ""


def _paper_mean(rate: float | None) -> str:
    return formatting.percent(rate) if rate is not None else ""


@dataclass(frozen=True)
class OrderNote:
    """How the order of some means here compares with the paper's."""

    what: str
    here: tuple[str, ...]  # names with their means, from lowest to highest
    papers: tuple[str, ...]
    statement: str


def order_notes(results: Results, target: str) -> tuple[OrderNote, ...]:
    """Says where the paper's order of rows and of columns does not hold."""
    table = results.cross_model[target]
    rows, columns = comparisons.row_means(table), comparisons.column_means(table)
    notes = (
        _order_note(
            results,
            "How much each network’s set hurts the other networks (means of the rows)",
            rows,
            comparisons.paper_row_means(rows),
        ),
        _order_note(
            results,
            "How badly each network resists the others’ sets (means of the columns)",
            columns,
            comparisons.paper_column_means(columns),
        ),
    )
    return tuple(note for note in notes if note)


def _order_note(
    results: Results, what: str, ours: dict[str, float], papers: dict[str, float]
) -> OrderNote | None:
    pairs = len(papers) * (len(papers) - 1) // 2
    if not pairs:
        return None
    swapped = [
        f"{results.title(first)} and {results.title(second)}"
        for first, second in comparisons.swaps(ours, papers)
    ]
    if swapped:
        statement = (
            f"The paper’s order does not hold in {len(swapped)} of {pairs} pairs: "
            f"{'; '.join(swapped)}."
        )
    else:
        statement = f"All {pairs} pairs are in the paper’s order."
    return OrderNote(
        what, _ascending(results, ours, papers), _ascending(results, papers, papers), statement
    )


def _ascending(results: Results, means: dict[str, float], names: Iterable[str]) -> tuple[str, ...]:
    return tuple(
        f"{results.title(name)} {formatting.percent(means[name])}"
        for name in sorted(names, key=lambda name: means[name])
    )
