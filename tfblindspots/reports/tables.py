"""Tables of networks and attacks as text, still without markup: the templates give it its looks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tfblindspots.reports import formatting, paper
from tfblindspots.reports.formatting import MISSING
from tfblindspots.reports.results import Attack, Network, Rate, Results


@dataclass(frozen=True)
class Cell:
    """One number with what belongs beneath it."""

    text: str
    detail: str = ""  # such as its interval
    paper: str = ""  # the paper's number
    tint: int | None = None  # 0 to 100: how strongly the heat map colours it
    diagonal: bool = False  # the set was made for this very network
    words: bool = False  # text rather than a number


@dataclass(frozen=True)
class Row:
    """A row and its name."""

    name: str
    cells: tuple[Cell, ...]
    detail: str = ""
    summary: bool = False  # a mean of the rows above


@dataclass(frozen=True)
class Table:
    """A table; ``corner`` heads the column of names."""

    corner: str
    header: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def has_paper(self) -> bool:
        """Whether any number of the paper's stands in it."""
        return any(cell.paper for row in self.rows for cell in row.cells)


def mean_cell(found: Mapping[str, Any], show: Callable[[float], str], papers: str = "") -> Cell:
    """A mean over runs, as ``over_runs`` gives it, of what is never negative, and its interval."""
    known = found["low"] is not None
    detail = f"[{show(max(found['low'], 0))}, {show(found['high'])}]" if known else ""
    return Cell(show(found["mean"]), detail, papers)


def paper_label(dataset: str) -> str:
    """How the paper's numbers are called: they are of MNIST, whatever the report's data."""
    return "paper" if dataset == paper.DATASET else "paper, MNIST"


def network_table(results: Results) -> Table:
    """The trained networks and the mean distortions that they needed, beside the paper's."""
    targets = [t for t in results.targets if any(t in n.attacks for n in results.networks)]
    return Table(
        corner="Network",
        header=(
            "Weight decay λ",
            "Train error",
            "Test error",
            *(f"Mean distortion, {target}" for target in targets),
            "Iterations",
            "Evaluations",
            "Training time",
            "Converged",
        ),
        rows=tuple(_network_row(network, targets) for network in results.networks),
    )


def _network_row(network: Network, targets: Sequence[str]) -> Row:
    known = paper.NETWORKS.get(network.name)
    decays = [formatting.weight_decay(value) for value in network.weight_decays.values()]
    converged = {True: "yes", False: "no", None: MISSING}[network.converged]
    return Row(
        name=network.title,
        detail=network.name if network.name != network.title else "",
        cells=(
            Cell(", ".join(decays) or MISSING, paper=known.weight_decay if known else ""),
            _rate_cell(network.train_error, known.train_error if known else None),
            _rate_cell(network.test_error, known.test_error if known else None),
            *(
                Cell(
                    formatting.distortion(_mean_distortion(network, target)),
                    paper=f"{known.distortion:g}" if known else "",
                )
                for target in targets
            ),
            Cell(formatting.count(network.iterations)),
            Cell(formatting.count(network.evaluations)),
            Cell(formatting.duration(network.train_seconds)),
            Cell(converged, detail=network.message, words=True),
        ),
    )


def _mean_distortion(network: Network, target: str) -> float | None:
    return network.attacks[target].mean_distortion if target in network.attacks else None


def _rate_cell(rate: Rate | None, papers: float | None) -> Cell:
    return Cell(
        text=formatting.percent(rate.rate if rate else None),
        detail=formatting.interval(rate.low, rate.high) if rate else "",
        paper=formatting.short_percent(papers) if papers is not None else "",
    )


def attack_table(results: Results, target: str) -> Table:
    """How the attack with ``target`` fared on each network."""
    return Table(
        corner="Network",
        header=(
            "Images",
            "Success",
            "Mean distortion, all",
            "Mean, correct",
            "Median, correct",
            "5 % to 95 %, correct",
            "Evaluations",
            "Images/s",
            "Time",
            "Why the searches ended",
        ),
        rows=tuple(
            Row(network.title, _attack_cells(network.attacks[target]))
            for network in results.networks
            if target in network.attacks
        ),
    )


def _attack_cells(attack: Attack) -> tuple[Cell, ...]:
    low, high = (attack.quantiles.get(key) for key in ("0.05", "0.95"))
    statuses = sorted(attack.statuses.items(), key=lambda item: -item[1])
    return (
        Cell(formatting.count(attack.count)),
        Cell(formatting.percent(attack.success_rate)),
        Cell(formatting.distortion(attack.mean_distortion)),
        Cell(formatting.distortion(attack.mean_distortion_correct)),
        Cell(formatting.distortion(attack.median_distortion_correct)),
        Cell(f"{formatting.distortion(low)} to {formatting.distortion(high)}"),
        Cell(formatting.count(attack.mean_evaluations)),
        Cell(formatting.count(attack.images_per_second)),
        Cell(formatting.duration(attack.seconds)),
        Cell(
            ", ".join(f"{name} {formatting.count(n)}" for name, n in statuses) or MISSING,
            words=True,
        ),
    )
