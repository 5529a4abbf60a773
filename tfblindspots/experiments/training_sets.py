"""E3: networks trained on disjoint halves, and how their adversarial sets carry over (section 4.2).

M1 and M2 are networks of different widths on the first half, M3 is one like M1 on the second.
"""

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from tfblindspots.adversarial_sets import read_adversarial_set
from tfblindspots.analysis import cross_error_table, error_rate, over_runs
from tfblindspots.artifacts import MANIFEST, build_manifest, read_json, write_json
from tfblindspots.attacks import AttackConfig
from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.experiments.attack import make_adversarial_set
from tfblindspots.experiments.image_sets import (
    CleanImages,
    adversarial_images,
    amplified_images,
    clean_and_noise,
)
from tfblindspots.experiments.jobs import Job, Stopwatch
from tfblindspots.experiments.training import TrainingConfig, describe, train_network
from tfblindspots.models import Classifier, load_classifier, predict_classes
from tfblindspots.reports import formatting
from tfblindspots.reports.reading import RESULTS

# Name here -> what it is, and the half that it is trained on.
NETWORKS = {"M1": ("fc100-100-10", 0), "M2": ("fc123-456-10", 0), "M3": ("fc100-100-10", 1)}
TARGETS = ("random", "untargeted")
NOISE_STDDEVS = (0.06, 0.1)  # the paper's, table 4
_MODELS = "saved_models"
_SETS = "adversarial_sets"


@dataclass(frozen=True)
class TrainingSetsConfig:
    """What the experiment depends on, besides its data.

    Attributes:
      seeds: one run each; a run's networks start from weights of their own, M1 and M3 too.
      num_examples: attack the first test images only; None for all.
      amplify_to: the distortion of the amplified sets (table 4).
      noise_stddevs: of the Gaussian noise (table 4), in units of the pixel range.
    """

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    num_examples: int | None = None
    amplify_to: float = 0.1
    noise_stddevs: tuple[float, ...] = NOISE_STDDEVS


def compare_training_sets(
    config: TrainingSetsConfig,
    halves: tuple[ImageDataset, ImageDataset],
    test_set: ImageDataset,
    output_dir: str | os.PathLike[str],
    *,
    progress: bool = False,
) -> dict[str, Any]:
    """Trains M1, M2 and M3 for each seed, attacks the test images, and feeds each set to all three.

    Whatever an earlier run with the same settings has finished is taken as it is.

    Args:
      config: what to do.
      halves: P1 and P2, disjoint training images.
      test_set: images to attack.
      output_dir: gets ``saved_models/SEED/NAME``, ``adversarial_sets/TARGET/SEED/NAME``,
        ``results.json`` and, last, ``manifest.json``.
      progress: show progress bars.

    Returns:
      What ``results.json`` holds: ``runs``, one a seed, with ``networks`` (errors on both halves
      and the test set, and what the attacks came to) and ``tables`` by target; ``means`` over the
      runs of both, in the same form (each number as ``over_runs`` gives it).

    Raises:
      InputError: the halves overlap; there is no seed; the images do not fit the networks; the
        directory holds other files, or results of other settings.
    """
    _require_disjoint(*halves)
    if not config.seeds:
        raise InputError("there are no seeds; expected at least one.")
    directory = Path(output_dir)
    job = Job(
        directory,
        "training_sets",
        {
            "dataset": test_set.name,
            "halves": ",".join(half.split for half in halves),
            "split": test_set.split,
            **{key: _flag(value) for key, value in dataclasses.asdict(config).items()},
        },
        {
            "P1": describe(halves[0]),
            "P2": describe(halves[1]),
            "test_set": describe(test_set),
        },
    )
    if job.finished(parts=[RESULTS]):
        return read_json(directory / RESULTS)
    with job.claim(allowed=[RESULTS, _MODELS, _SETS]) as notes:
        stopwatch = Stopwatch(job, notes)
        runs = []
        for seed in config.seeds:
            runs.append(_run(config, seed, halves, test_set, directory, progress=progress))
            stopwatch.save()
        manifest = build_manifest(
            job.kind, flags=job.flags, seed=None, inputs=job.inputs, seconds=stopwatch.seconds
        )
        results = {
            "dataset": test_set.name,
            "halves": [describe(half) for half in halves],
            "test_set": describe(test_set),
            "amplify_to": config.amplify_to,
            "flags": job.flags,
            "seconds": manifest["seconds"],
            "runs": runs,
            "means": _means(runs),
        }
        write_json(directory / RESULTS, results)
        write_json(directory / MANIFEST, manifest)
    return results


def _flag(value: Any) -> Any:
    return ",".join(f"{part:g}" for part in value) if isinstance(value, tuple) else value


def _require_disjoint(first: ImageDataset, second: ImageDataset) -> None:
    common = np.intersect1d(first.indices, second.indices)
    if first.name == second.name and first.source_split == second.source_split and common.size:
        raise InputError(
            f"the halves {first.split} and {second.split} of {first.name} overlap: they share "
            f"{common.size:,} images, {first.source_split}[{common[0]}:{common[-1] + 1}]. Name "
            "disjoint parts, such as train[:50%] and train[50%:]."
        )


def _run(
    config: TrainingSetsConfig,
    seed: int,
    halves: tuple[ImageDataset, ImageDataset],
    test_set: ImageDataset,
    directory: Path,
    *,
    progress: bool,
) -> dict[str, Any]:
    """One seed: the networks, their sets, and the tables."""
    classifiers, networks = [], []
    for position, (name, (model, half)) in enumerate(NETWORKS.items()):
        path = directory / _MODELS / str(seed) / name
        # M1 and M3 would otherwise start from the same weights.
        training = TrainingConfig(model, seed * len(NETWORKS) + position)
        trained = train_network(training, halves[half], test_set, path, progress=progress)
        classifier = load_classifier(path, name=name)
        classifiers.append(classifier)
        networks.append(
            {
                "name": name,
                "model": model,
                "trained_on": f"P{half + 1}",
                "errors": _errors(classifier, halves, test_set),
                "attacks": {},
                **{key: trained[key] for key in ("iterations", "message", "train_seconds")},
            }
        )
    tables = {}
    for target in TARGETS:
        sets = []
        for classifier, network in zip(classifiers, networks, strict=True):
            path = directory / _SETS / target / str(seed) / classifier.name
            attack = AttackConfig(target=target, seed=seed)
            made = make_adversarial_set(
                classifier,
                test_set,
                attack,
                path,
                num_examples=config.num_examples,
                progress=progress,
            )
            network["attacks"][target] = made["summary"]
            sets.append(path)
        tables[target] = _table(config, seed, classifiers, sets, test_set)
        logging.info(
            "seed %d, %s: made for M1, fed to M2 and M3: %s and %s",
            seed,
            formatting.target(target),
            *(formatting.percent(cell["rate"]) for cell in tables[target]["rows"][0]["cells"][1:]),
        )
    return {"seed": seed, "networks": networks, "tables": tables}


def _errors(
    classifier: Classifier, halves: tuple[ImageDataset, ImageDataset], test_set: ImageDataset
) -> dict[str, Any]:
    parts = {"P1": halves[0], "P2": halves[1], "test": test_set}
    return {
        name: error_rate(predict_classes(classifier, part.images), part.labels)._asdict()
        for name, part in parts.items()
    }


def _table(
    config: TrainingSetsConfig,
    seed: int,
    classifiers: Sequence[Classifier],
    sets: Sequence[Path],
    test_set: ImageDataset,
) -> dict[str, Any]:
    """Table 4: plain sets, amplified ones, clean images and noise."""
    image_sets = []
    found = [read_adversarial_set(path) for path in sets]
    for adversarial_set in found:
        image_sets.append(adversarial_images(adversarial_set, adversarial_set.name))
    for adversarial_set in found:
        image_sets.append(
            amplified_images(adversarial_set, adversarial_set.name, config.amplify_to)
        )
    clean = CleanImages.of_dataset(test_set, config.num_examples)
    image_sets.extend(clean_and_noise(clean, config.noise_stddevs, seed))
    return cross_error_table(classifiers, image_sets)


def _means(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Every number of the runs over the runs."""
    return {
        "networks": [
            {
                "name": networks[0]["name"],
                "model": networks[0]["model"],
                "trained_on": networks[0]["trained_on"],
                "errors": {
                    part: over_runs([network["errors"][part]["rate"] for network in networks])
                    for part in networks[0]["errors"]
                },
                "mean_distortion": {
                    target: over_runs([n["attacks"][target]["mean_distortion"] for n in networks])
                    for target in TARGETS
                },
            }
            for networks in zip(*(run["networks"] for run in runs), strict=True)
        ],
        "tables": {
            target: {
                "columns": runs[0]["tables"][target]["columns"],
                "rows": [
                    _mean_row(rows)
                    for rows in zip(*(run["tables"][target]["rows"] for run in runs), strict=True)
                ],
            }
            for target in TARGETS
        },
    }


def _mean_row(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": rows[0]["name"],
        "made_for": rows[0]["made_for"],
        "mean_distortion": over_runs([row["mean_distortion"] for row in rows]),
        "cells": [
            {"model": cells[0]["model"], **over_runs([cell["rate"] for cell in cells])}
            for cells in zip(*(row["cells"] for row in rows), strict=True)
        ],
    }
