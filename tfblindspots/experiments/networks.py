"""E1 and E2: the paper's networks, their adversarial sets, and the cross-model tables."""

import dataclasses
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from absl import logging
from tqdm import tqdm

from tfblindspots.adversarial_sets import read_adversarial_set
from tfblindspots.analysis import ImageSet, cross_error_table
from tfblindspots.artifacts import MANIFEST, build_manifest, read_json, write_json
from tfblindspots.attacks import AttackConfig
from tfblindspots.data import ImageDataset
from tfblindspots.experiments.attack import make_adversarial_set
from tfblindspots.experiments.image_sets import CleanImages, adversarial_images, clean_and_noise
from tfblindspots.experiments.jobs import Job, Stopwatch
from tfblindspots.experiments.shards import LARGEST_SHARD
from tfblindspots.experiments.training import TrainingConfig, describe, train_network
from tfblindspots.models import get_definition, load_classifier
from tfblindspots.reports import formatting
from tfblindspots.reports.reading import RESULTS

NETWORKS = ("fc10-1e-4", "fc10-1e-2", "fc10-1", "fc100-100-10", "fc200-200-10", "ae400-10")
TARGETS = ("random", "untargeted")
NOISE_STDDEVS = (0.1, 0.3, 1.0)  # the paper's, table 1 and figure 7

_MODELS = "saved_models"
_SETS = "adversarial_sets"


@dataclass(frozen=True)
class NetworksConfig:
    """What the experiments on the paper's networks depend on, besides their data.

    Attributes:
      models: names of the networks, in the order of the tables.
      seed: of every random number.
      num_examples: attack the first training images only; None for all.
      shard_size: examples a file of an adversarial set.
    """

    models: tuple[str, ...] = NETWORKS
    seed: int = 0
    num_examples: int | None = None
    shard_size: int = LARGEST_SHARD


def compare_networks(
    config: NetworksConfig,
    train_set: ImageDataset,
    test_set: ImageDataset,
    output_dir: str | os.PathLike[str],
    *,
    progress: bool = False,
) -> dict[str, Any]:
    """Trains the networks, attacks every training image, and feeds each set to all networks.

    Whatever an earlier run with the same settings has finished is taken as it is.

    Args:
      config: what to do.
      train_set: images to train on and to attack.
      test_set: images to measure the networks on.
      output_dir: gets ``saved_models/NAME``, ``adversarial_sets/TARGET/NAME``, ``results.json``
        and, last, ``manifest.json``.
      progress: show progress bars.

    Returns:
      What ``results.json`` holds: ``networks``, each with its training and its ``attacks`` by
      target, and ``cross_model``, the table of each target.

    Raises:
      InputError: a model is unknown or does not fit the data; the directory holds other files, or
        results of other settings.
    """
    directory = Path(output_dir)
    for name in config.models:
        get_definition(name)
    job = Job(
        directory,
        "networks",
        {
            "dataset": train_set.name,
            **dataclasses.asdict(config),
            "models": ",".join(config.models),
        },
        {"train_set": describe(train_set), "test_set": describe(test_set)},
    )
    if job.finished(parts=[RESULTS]):
        return read_json(directory / RESULTS)
    with job.claim(allowed=[RESULTS, _MODELS, _SETS]) as notes:
        stopwatch = Stopwatch(job, notes)
        networks = []
        for name in config.models:
            networks.append(
                _network(name, config, train_set, test_set, directory, progress=progress)
            )
            stopwatch.save()
        cross_model = _cross_model(config, train_set, directory, progress=progress)
        manifest = build_manifest(
            job.kind,
            flags=job.flags,
            seed=config.seed,
            inputs=job.inputs,
            seconds=stopwatch.seconds,
        )
        results = {
            # What the report says about where its numbers come from.
            **{key: manifest[key] for key in ("flags", "seed", "version", "created", "libraries")},
            "dataset": train_set.name,
            "train_count": len(train_set.labels),
            "test_count": len(test_set.labels),
            "seconds": manifest["seconds"],
            "networks": networks,
            "cross_model": cross_model,
        }
        write_json(directory / RESULTS, results)
        write_json(directory / MANIFEST, manifest)
    return results


def _network(
    name: str,
    config: NetworksConfig,
    train_set: ImageDataset,
    test_set: ImageDataset,
    directory: Path,
    *,
    progress: bool,
) -> dict[str, Any]:
    """Trains one network and attacks it with each target: its entry in the results."""
    path = directory / _MODELS / name
    training = train_network(
        TrainingConfig(name, config.seed), train_set, test_set, path, progress=progress
    )
    logging.info(
        "%s: train error %s, test error %s; %s",
        training["title"],
        formatting.percent(training["train_error"]["rate"]),
        formatting.percent(training["test_error"]["rate"]),
        training["message"],
    )
    classifier = load_classifier(path)
    attacks = {}
    for target in TARGETS:
        attacks[target] = make_adversarial_set(
            classifier,
            train_set,
            AttackConfig(target=target, seed=config.seed),
            directory / _SETS / target / name,
            num_examples=config.num_examples,
            shard_size=config.shard_size,
            progress=progress,
        )["summary"]
        logging.info(
            "%s, %s: success %s, mean distortion %s, %s",
            training["title"],
            target,
            formatting.percent(attacks[target]["success_rate"]),
            formatting.distortion(attacks[target]["mean_distortion"]),
            formatting.duration(attacks[target]["seconds"]),
        )
    kept = (
        "name",
        "title",
        "weight_decays",
        "train_error",
        "test_error",
        "converged",
        "iterations",
        "evaluations",
        "train_seconds",
        "message",
    )
    return {**{key: training[key] for key in kept}, "attacks": attacks}


def _cross_model(
    config: NetworksConfig, train_set: ImageDataset, directory: Path, *, progress: bool
) -> dict[str, Any]:
    """The table of each target. Image sets are in memory one at a time."""
    classifiers = [load_classifier(directory / _MODELS / name) for name in config.models]

    def adversarial() -> Iterator[tuple[str, ImageSet]]:
        for target in TARGETS:
            for name in config.models:
                found = read_adversarial_set(directory / _SETS / target / name)
                yield target, adversarial_images(found, name)

    def unaimed() -> Iterator[tuple[str, ImageSet]]:
        clean = CleanImages.of_dataset(train_set, config.num_examples)
        for image_set in clean_and_noise(clean, NOISE_STDDEVS, config.seed):
            yield "", image_set

    rows: dict[str, list[Any]] = {key: [] for key in ("", *TARGETS)}
    total = len(TARGETS) * len(classifiers) + 1 + len(NOISE_STDDEVS)
    with tqdm(desc="cross-model errors", total=total, unit="set", disable=not progress) as bar:
        for key, image_set in itertools.chain(adversarial(), unaimed()):
            rows[key] += cross_error_table(classifiers, [image_set])["rows"]
            bar.update()
    columns = list(config.models)
    return {target: {"columns": columns, "rows": rows[target] + rows[""]} for target in TARGETS}
