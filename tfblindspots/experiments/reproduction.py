"""The paper's experiments on one dataset, and the report that sets them beside its numbers."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tfblindspots.artifacts import prepare_output_directory
from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.experiments.frame_bound_penalties import (
    FrameBoundPenaltiesConfig,
    compare_frame_bound_penalties,
)
from tfblindspots.experiments.networks import NETWORKS, NetworksConfig, compare_networks
from tfblindspots.experiments.regularizers import RegularizersConfig, compare_regularizers
from tfblindspots.experiments.shards import LARGEST_SHARD
from tfblindspots.experiments.training import TrainingConfig, train_network
from tfblindspots.experiments.training_sets import (
    NOISE_STDDEVS,
    TrainingSetsConfig,
    compare_training_sets,
)
from tfblindspots.experiments.units import UnitsConfig, inspect_units
from tfblindspots.models import get_definition
from tfblindspots.reports import write_report

# E1, E2 and E4 look at the same networks and sets, and are run together.
EXPERIMENTS = ("E1", "E2", "E3", "E4", "E5", "E6", "E7")
_DIRECTORIES = {
    "E1": "networks",
    "E2": "networks",
    "E3": "training_sets",
    "E4": "networks",
    "E5": "units",
    "E6": "frame_bounds",
    "E7": "regularizers",
}
HALVES = ("train[:50%]", "train[50%:]")
# E5: Conv's layers between its input and its logits, and the network in whose features images are
# compared, trained no longer than its features take.
UNIT_LAYERS = ("max_pooling", "hidden_1")
_REFERENCE = ("fc100-100-10", "hidden_2", 100)


@dataclass(frozen=True)
class ReproductionConfig:
    """What a reproduction depends on, besides its data.

    Attributes:
      experiments: which of ``EXPERIMENTS``.
      models: names of the networks of E1, E2 and E4, in the order of the tables.
      seed: of every random number where there is one run.
      num_seeds: runs of the experiments that are repeated (E3, E6, E7); their seeds are 0, 1, ...
      amplify_to: distortion of the amplified sets of E3.
      num_examples: attack the first images only; None for all.
      shard_size: examples a file of an adversarial set.
    """

    experiments: tuple[str, ...] = EXPERIMENTS
    models: tuple[str, ...] = NETWORKS
    seed: int = 0
    num_seeds: int = 5
    amplify_to: float = 0.1
    num_examples: int | None = None
    shard_size: int = LARGEST_SHARD


def reproduce(
    config: ReproductionConfig,
    load: Callable[[str], ImageDataset],
    output_dir: str | os.PathLike[str],
    *,
    progress: bool = False,
) -> Path:
    """Runs experiments, skipping what an earlier run with the same settings finished, and reports.

    Args:
      config: what to do.
      load: from a split, in the syntax of TFDS, to its images; knows ``train`` and ``test``.
      output_dir: gets a directory an experiment (``networks`` for E1, E2 and E4) and the report.
      progress: show progress bars.

    Returns:
      The path of the report, ``report.html``.

    Raises:
      InputError: an experiment or a model is unknown; the images do not fit the models; a directory
        holds other files, or results of other settings.
    """
    unknown = [name for name in config.experiments if name not in EXPERIMENTS]
    if unknown or not config.experiments:
        raise InputError(
            f"experiments are {','.join(config.experiments) or 'none'}; expected some of "
            f"{','.join(EXPERIMENTS)}."
        )
    wanted = dict.fromkeys(_DIRECTORIES[name] for name in config.experiments)
    # What would stop it later is said before anything is made.
    load("test[:1]")
    for name in config.models:
        get_definition(name)
    root = prepare_output_directory(
        output_dir, [*set(_DIRECTORIES.values()), "report.*", "figures"]
    )
    run = {
        "networks": _networks,
        "training_sets": _training_sets,
        "units": _units,
        "frame_bounds": _frame_bounds,
        "regularizers": _regularizers,
    }
    for directory in wanted:
        run[directory](config, load, root / directory, progress)
    return write_report(root)


def _networks(
    config: ReproductionConfig,
    load: Callable[[str], ImageDataset],
    directory: Path,
    progress: bool,
) -> None:
    compare_networks(
        NetworksConfig(config.models, config.seed, config.num_examples, config.shard_size),
        load("train"),
        load("test"),
        directory,
        progress=progress,
    )


def _training_sets(
    config: ReproductionConfig,
    load: Callable[[str], ImageDataset],
    directory: Path,
    progress: bool,
) -> None:
    compare_training_sets(
        TrainingSetsConfig(
            tuple(range(config.num_seeds)),
            config.num_examples,
            config.amplify_to,
            tuple(sorted({*NOISE_STDDEVS, config.amplify_to})),
        ),
        (load(HALVES[0]), load(HALVES[1])),
        load("test"),
        directory,
        progress=progress,
    )


def _units(
    config: ReproductionConfig,
    load: Callable[[str], ImageDataset],
    directory: Path,
    progress: bool,
) -> None:
    train_set, test_set = load("train"), load("test")
    name, layer, iterations = _REFERENCE
    models = {"conv": None, name: iterations}
    for model, limit in models.items():
        train_network(
            TrainingConfig(model, config.seed, limit),
            train_set,
            test_set,
            directory / "saved_models" / model,
            progress=progress,
        )
    for chosen in UNIT_LAYERS:
        inspect_units(
            directory / "saved_models" / "conv",
            test_set,
            UnitsConfig(chosen, seed=config.seed),
            directory / chosen,
            reference=(directory / "saved_models" / name, layer),
            progress=progress,
        )


def _frame_bounds(
    config: ReproductionConfig,
    load: Callable[[str], ImageDataset],
    directory: Path,
    progress: bool,
) -> None:
    compare_frame_bound_penalties(
        FrameBoundPenaltiesConfig(tuple(range(config.num_seeds)), config.num_examples),
        load("train"),
        load("test"),
        directory,
        progress=progress,
    )


def _regularizers(
    config: ReproductionConfig,
    load: Callable[[str], ImageDataset],
    directory: Path,
    progress: bool,
) -> None:
    compare_regularizers(
        RegularizersConfig(tuple(range(config.num_seeds)), num_examples=config.num_examples),
        load("train"),
        load("test"),
        directory,
        progress=progress,
    )
