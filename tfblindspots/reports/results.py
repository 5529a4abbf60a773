"""What a reproduction found, in the form in which the report's parts take it.

Whatever a run has not measured is None or empty, so that a run over some of the networks still
gives a report.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tfblindspots.reports import paper


@dataclass(frozen=True)
class Rate:
    """An error rate with its exact 95 % interval, as fractions."""

    rate: float
    low: float
    high: float
    count: int | None = None  # images


@dataclass(frozen=True)
class Attack:
    """What one attack on one network gave. Means and quantiles are distortions."""

    count: int | None  # images, those misclassified to begin with included
    success_rate: float | None  # fraction of the correctly classified images
    mean_distortion: float | None  # over all images; misclassified ones count 0
    mean_distortion_correct: float | None  # over the correctly classified ones
    median_distortion_correct: float | None
    quantiles: Mapping[str, float]  # by probability, such as "0.05"
    mean_evaluations: float | None  # value-and-gradient evaluations for an image
    seconds: float | None
    images_per_second: float | None
    statuses: Mapping[str, int]  # images by the reason why the search ended


@dataclass(frozen=True)
class Network:
    """A trained network and the attacks on it, by target."""

    name: str
    title: str
    weight_decays: Mapping[str, float]  # by layer
    train_error: Rate | None
    test_error: Rate | None
    converged: bool | None
    iterations: int | None
    evaluations: int | None
    train_seconds: float | None
    message: str
    attacks: Mapping[str, Attack]


@dataclass(frozen=True)
class ImageSetRow:
    """Errors on one set of images: a network's adversarial set, the clean images or noise."""

    name: str
    made_for: str | None  # network
    mean_distortion: float | None
    cells: Mapping[str, Rate]  # by the network that was fed

    @property
    def clean(self) -> bool:
        """Whether these are the unchanged images."""
        return self.made_for is None and not self.mean_distortion

    @property
    def noise(self) -> bool:
        """Whether these are images with noise."""
        return self.made_for is None and bool(self.mean_distortion)

    def noise_of(self, stddev: float) -> bool:
        """Whether the noise has that standard deviation; what was drawn has nearly its size."""
        return self.noise and abs((self.mean_distortion or 0) / stddev - 1) < 0.05


@dataclass(frozen=True)
class CrossTable:
    """A cross-model table: which network errs how often on which set, in the paper's order."""

    columns: tuple[str, ...]  # networks
    rows: tuple[ImageSetRow, ...]  # sets made for networks, then clean images, then noise

    def off_diagonal(self, row: ImageSetRow) -> dict[str, Rate]:
        """The row's cells of networks for which the set was not made."""
        return {name: cell for name, cell in row.cells.items() if name != row.made_for}


@dataclass(frozen=True)
class Results:
    """One run of the reproduction."""

    dataset: str
    train_count: int | None
    test_count: int | None
    seconds: float | None
    seed: int | None
    command: str | None
    version: str | None
    created: str | None
    libraries: Mapping[str, str]
    networks: tuple[Network, ...]  # in the paper's order
    cross_model: Mapping[str, CrossTable]  # by target

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets of the attacks, in the order in which they are reported."""
        found = {target for network in self.networks for target in network.attacks}
        return tuple(
            sorted(found | set(self.cross_model), key=lambda name: (name != "random", name))
        )

    def title(self, name: str) -> str:
        """How a network is called in tables."""
        titles = {network.name: network.title for network in self.networks}
        known = paper.NETWORKS.get(name)
        return titles.get(name) or (known.title if known else name)


def noise_row(table: CrossTable, stddev: float) -> ImageSetRow | None:
    """The row of Gaussian noise of a standard deviation."""
    return next((row for row in table.rows if row.noise_of(stddev)), None)


def paper_order(name: str) -> int:
    """Sort key: the paper's networks in its order, then all others as they come."""
    order = list(paper.NETWORKS)
    return order.index(name) if name in order else len(order)
