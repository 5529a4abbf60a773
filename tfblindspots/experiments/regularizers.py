"""E7: adversarial pools against no regularisation, weight decay and dropout (section 4.2)."""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from tfblindspots.analysis import over_runs
from tfblindspots.artifacts import MANIFEST, build_manifest, read_json, write_json
from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.experiments.jobs import Job, Stopwatch
from tfblindspots.experiments.pool_training import PoolTrainingConfig, train_with_pools
from tfblindspots.experiments.training import describe
from tfblindspots.reports import formatting
from tfblindspots.reports.reading import RESULTS
from tfblindspots.training import IMAGES, PoolConfig, Regularization

MODEL = "fc100-100-10"
_NO_POOLS: tuple[str, ...] = ()
# What is compared: layers with a pool, and what else regularises. The strengths were the best
# of those tried on the last 10,000 of MNIST's training images.
VARIANTS: Mapping[str, tuple[tuple[str, ...], Regularization]] = {
    "none": (_NO_POOLS, Regularization()),
    "weight_decay": (_NO_POOLS, Regularization(weight_decay=5e-5)),
    "dropout": (_NO_POOLS, Regularization(pixel_dropout=0.15, unit_dropout=0.05)),
    "pool_images": ((IMAGES,), Regularization()),
    "pool_hidden_1": (("hidden_1",), Regularization()),
    "pool_hidden_2": (("hidden_2",), Regularization()),
    "pool_all": ((IMAGES, "hidden_1", "hidden_2"), Regularization()),
}


@dataclass(frozen=True)
class RegularizersConfig:
    """What the comparison depends on, besides its data.

    Attributes:
      seeds: one run each of every variant.
      pool: what each pool holds.
      epochs: passes over the images; None: 40, more for small datasets.
      num_examples: attack the first test images only, to measure distortions; None for all.
    """

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    pool: PoolConfig = dataclasses.field(default_factory=PoolConfig)
    epochs: int | None = None
    num_examples: int | None = None


def compare_regularizers(
    config: RegularizersConfig,
    train_set: ImageDataset,
    test_set: ImageDataset,
    output_dir: str | os.PathLike[str],
    *,
    progress: bool = False,
) -> dict[str, Any]:
    """Trains FC100-100-10 in every way for each seed, and compares errors and distortions.

    Whatever an earlier run with the same settings has finished is taken as it is. With the same
    seed all variants start from the same weights.

    Args:
      config: what to do.
      train_set: images that all are trained on.
      test_set: images that all are measured on.
      output_dir: gets ``VARIANT/SEED`` (see ``train_with_pools``), ``results.json`` and the
        manifest.
      progress: show progress bars.

    Returns:
      What ``results.json`` holds: ``variants``, for each of ``VARIANTS`` its settings, ``runs``
      (see ``train_with_pools``), and over the runs (see ``over_runs``) ``test_error``,
      ``train_error``, ``mean_distortion``, ``seconds``; paired by seed, ``error_differences`` (of
      the test error, from each other variant) and ``distortion_ratio`` (to no regularisation); and
      ``curve``, the mean, lowest and highest test error after each epoch.

    Raises:
      InputError: there is no seed; the images do not fit the network; the directory holds other
        files or results of other settings.
    """
    if not config.seeds:
        raise InputError("there are no seeds; expected at least one.")
    directory = Path(output_dir)
    job = Job(
        directory,
        "regularizers",
        {
            "model": MODEL,
            "dataset": train_set.name,
            "split": train_set.split,
            "test_split": test_set.split,
            "seeds": ",".join(map(str, config.seeds)),
            **{f"pool_{name}": value for name, value in dataclasses.asdict(config.pool).items()},
            "epochs": config.epochs,
            "num_examples": config.num_examples,
        },
        {"train_set": describe(train_set), "test_set": describe(test_set)},
    )
    if job.finished(parts=[RESULTS]):
        return read_json(directory / RESULTS)
    with job.claim(allowed=[RESULTS, *VARIANTS]) as notes:
        stopwatch = Stopwatch(job, notes)
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in VARIANTS}
        # Seed by seed, so that what the machine does meanwhile meets all variants alike.
        for seed in config.seeds:
            for name, (layers, regularization) in VARIANTS.items():
                training = PoolTrainingConfig(
                    MODEL,
                    layers,
                    config.pool,
                    regularization,
                    seed,
                    config.epochs,
                    config.num_examples,
                )
                run = train_with_pools(
                    training, train_set, test_set, directory / name / str(seed), progress=progress
                )
                logging.info(
                    "seed %d, %s: test error %s, mean minimum distortion %s",
                    seed,
                    name,
                    formatting.percent(run["test_error"]["rate"]),
                    formatting.distortion(run["distortion"]["mean_distortion"]),
                )
                runs[name].append(run)
                stopwatch.save()
        manifest = build_manifest(
            job.kind, flags=job.flags, seed=None, inputs=job.inputs, seconds=stopwatch.seconds
        )
        results = {
            "dataset": test_set.name,
            "train_set": describe(train_set),
            "test_set": describe(test_set),
            "flags": job.flags,
            "seconds": manifest["seconds"],
            "variants": {
                name: {
                    "layers": list(VARIANTS[name][0]),
                    **dataclasses.asdict(VARIANTS[name][1]),
                    **_summary(name, runs),
                    "runs": runs[name],
                }
                for name in VARIANTS
            },
        }
        write_json(directory / RESULTS, results)
        write_json(directory / MANIFEST, manifest)
    return results


def _summary(name: str, runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """What the runs of a variant say together, and against the others, seed by seed."""

    def over_own(value: Callable[[Mapping[str, Any]], float]) -> dict[str, Any]:
        return over_runs([value(run) for run in runs[name]])

    def paired(value: Callable[[Mapping[str, Any], Mapping[str, Any]], float], other: str) -> Any:
        return over_runs([value(*pair) for pair in zip(runs[name], runs[other], strict=True)])

    curves = np.array([[epoch["test_error"] for epoch in run["curve"]] for run in runs[name]])
    return {
        "test_error": over_own(_error),
        "train_error": over_own(lambda run: run["train_error"]["rate"]),
        "mean_distortion": over_own(_distortion),
        "seconds": over_own(lambda run: run["seconds"]),
        "error_differences": {
            other: paired(lambda own, others: _error(own) - _error(others), other)
            for other in runs
            if other != name
        },
        "distortion_ratio": paired(
            lambda own, plain: _distortion(own) / _distortion(plain), "none"
        ),
        "curve": {
            "mean": curves.mean(axis=0).tolist(),
            "low": curves.min(axis=0).tolist(),
            "high": curves.max(axis=0).tolist(),
        },
    }


def _error(run: Mapping[str, Any]) -> float:
    return run["test_error"]["rate"]


def _distortion(run: Mapping[str, Any]) -> float:
    return run["distortion"]["mean_distortion"]
