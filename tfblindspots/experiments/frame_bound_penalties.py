"""E6: what penalising the layers' upper frame bounds does to blind spots (section 4.3)."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from absl import logging

from tfblindspots.analysis import over_runs
from tfblindspots.artifacts import MANIFEST, build_manifest, read_json, write_json
from tfblindspots.attacks import AttackConfig
from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.experiments.attack import make_adversarial_set
from tfblindspots.experiments.frame_bounds import measure_frame_bounds
from tfblindspots.experiments.jobs import Job, Stopwatch
from tfblindspots.experiments.training import TrainingConfig, describe, train_network
from tfblindspots.models import load_classifier
from tfblindspots.reports import formatting
from tfblindspots.reports.reading import RESULTS

MODEL = "conv"
# Weights of the penalty, as folders are named; the first is none.
PENALTIES: Mapping[str, float | None] = {"none": None, "0.01": 0.01, "0.03": 0.03}


@dataclass(frozen=True)
class FrameBoundPenaltiesConfig:
    """What the comparison depends on, besides its data.

    Attributes:
      seeds: one network each of every penalty.
      num_examples: attack the first test images only; None for all.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    num_examples: int | None = None


def compare_frame_bound_penalties(
    config: FrameBoundPenaltiesConfig,
    train_set: ImageDataset,
    test_set: ImageDataset,
    output_dir: str | os.PathLike[str],
    *,
    progress: bool = False,
) -> dict[str, Any]:
    """Trains Conv with each penalty and seed, and compares errors, bounds and distortions.

    Whatever an earlier run with the same settings has finished is taken as it is.

    Args:
      config: what to do.
      train_set: images that all are trained on.
      test_set: images that all are measured on and attacked, untargeted.
      output_dir: gets ``PENALTY/SEED/`` with ``saved_model``, ``adversarial_set`` and
        ``frame_bounds``, ``results.json`` and the manifest.
      progress: show progress bars.

    Returns:
      What ``results.json`` holds: ``penalties``, for each of ``PENALTIES`` its ``weight``, ``runs``
      and over the runs (see ``over_runs``) each of what a run holds. A run: ``seed``,
      ``test_error``, ``bound`` of the network, ``upper``, by layer, ``expansion``, the largest
      ratio of distances that was measured, ``distortion``, the mean minimum over all images that
      were attacked, and of those classified correctly ``certified`` and ``found``, mean L2
      distances. Paired by seed with no penalty: ``distortion_ratio`` and ``error_difference``.

    Raises:
      InputError: there is no seed; the images do not fit the network; the directory holds other
        files or results of other settings.
    """
    if not config.seeds:
        raise InputError("there are no seeds; expected at least one.")
    directory = Path(output_dir)
    job = Job(
        directory,
        "frame_bound_penalties",
        {
            "model": MODEL,
            "dataset": train_set.name,
            "split": train_set.split,
            "test_split": test_set.split,
            "seeds": ",".join(map(str, config.seeds)),
            "penalties": ",".join(PENALTIES),
            "num_examples": config.num_examples,
        },
        {"train_set": describe(train_set), "test_set": describe(test_set)},
    )
    if job.finished(parts=[RESULTS]):
        return read_json(directory / RESULTS)
    with job.claim(allowed=[RESULTS, *PENALTIES]) as notes:
        stopwatch = Stopwatch(job, notes)
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in PENALTIES}
        for seed in config.seeds:
            for name in PENALTIES:
                place = directory / name / str(seed)
                run = _run(config, name, seed, train_set, test_set, place, progress)
                logging.info(
                    "seed %d, penalty %s: test error %s, bound %.4g, mean minimum distortion %s",
                    seed,
                    name,
                    formatting.percent(run["test_error"]),
                    run["bound"],
                    formatting.distortion(run["distortion"]),
                )
                runs[name].append(run)
                stopwatch.save()
        manifest = build_manifest(
            job.kind,
            flags=job.flags,
            seed=None,
            inputs=job.inputs,
            seconds=stopwatch.seconds,
        )
        results = {
            "dataset": test_set.name,
            "flags": job.flags,
            "seconds": manifest["seconds"],
            "penalties": {
                name: {"weight": PENALTIES[name], "runs": runs[name], **_summary(runs, name)}
                for name in PENALTIES
            },
        }
        write_json(directory / RESULTS, results)
        write_json(directory / MANIFEST, manifest)
    return results


def _run(
    config: FrameBoundPenaltiesConfig,
    penalty: str,
    seed: int,
    train_set: ImageDataset,
    test_set: ImageDataset,
    place: Path,
    progress: bool,
) -> dict[str, Any]:
    training = TrainingConfig(MODEL, seed, frame_bound_penalty=PENALTIES[penalty])
    network = train_network(training, train_set, test_set, place / "saved_model", progress=progress)
    attack = make_adversarial_set(
        load_classifier(place / "saved_model"),
        test_set,
        AttackConfig(target="untargeted", seed=seed),
        place / "adversarial_set",
        num_examples=config.num_examples,
        progress=progress,
    )
    bounds = measure_frame_bounds(
        place / "saved_model",
        place / "frame_bounds",
        adversarial_sets=[place / "adversarial_set"],
        progress=progress,
    )
    (measured,) = bounds["sets"].values()
    return {
        "seed": seed,
        "test_error": network["test_error"]["rate"],
        "distortion": attack["summary"]["mean_distortion"],
        "bound": bounds["bound"],
        "expansion": measured["largest"],
        "certified": measured["certificate"]["mean_certified"],
        "found": measured["certificate"]["mean_found"],
        "upper": {
            layer["name"]: layer["upper"]
            for layer in bounds["layers"]
            if layer["upper"] is not None
        },
    }


def _summary(runs: Mapping[str, Sequence[Mapping[str, Any]]], name: str) -> dict[str, Any]:
    own = runs[name]
    pairs = list(zip(own, runs["none"], strict=True))
    measures = ("test_error", "distortion", "bound", "expansion", "certified", "found")
    return {
        **{measure: over_runs([run[measure] for run in own]) for measure in measures},
        "upper": {
            layer: over_runs([run["upper"][layer] for run in own]) for layer in own[0]["upper"]
        },
        "distortion_ratio": over_runs(
            [run["distortion"] / plain["distortion"] for run, plain in pairs]
        ),
        "error_difference": over_runs(
            [run["test_error"] - plain["test_error"] for run, plain in pairs]
        ),
    }
