"""Trains a network of the paper, measures its errors and exports it as a SavedModel."""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfblindspots.analysis import error_rate
from tfblindspots.artifacts import build_manifest, remove_unfinished
from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.experiments.jobs import CLAIM, Job
from tfblindspots.experiments.locking import LOCK
from tfblindspots.experiments.training_board import training_board
from tfblindspots.models import (
    ASSETS,
    ModelDefinition,
    export_saved_model,
    get_definition,
    load_classifier,
    predict_classes,
)
from tfblindspots.training import CHECKPOINTS, Checkpoints, TrainingResult, train

KIND = "saved_model"


@dataclass(frozen=True)
class TrainingConfig:
    """What a trained network depends on, besides its data.

    Attributes:
      model: a name that ``get_definition`` knows, such as ``"fc100-100-10"``.
      seed: of the initial weights and of every other random number.
      max_iterations: of the trainer; None for the trainer's own limit.
      frame_bound_penalty: see ``train``.
      devices: see ``train``.
    """

    model: str
    seed: int = 0
    max_iterations: int | None = None
    frame_bound_penalty: float | None = None
    devices: tuple[str, ...] | None = None


def train_network(
    config: TrainingConfig,
    train_set: ImageDataset,
    test_set: ImageDataset,
    output_dir: str | os.PathLike[str],
    *,
    tensorboard_dir: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Trains a network and exports it, or finds it already there.

    An interrupted training, killed or not, goes on where it was saved last; its weights are those
    of an uninterrupted one. Until the network is there, hidden files in the directory are all.

    Args:
      config: the network and how it is trained.
      train_set: images that it is trained on.
      test_set: images that it is measured on.
      output_dir: where the SavedModel goes; new, empty, or this very network's.
      tensorboard_dir: gets curves, pictures of test images and of weights; None for none. They
        change nothing in the network.
      progress: show a progress bar while training.

    Returns:
      The SavedModel's manifest. Besides the common keys: ``name``, ``title``, ``dataset``,
      ``weight_decays``, ``train_error`` and ``test_error`` (``ErrorRate`` as a dictionary),
      ``converged``, ``iterations``, ``evaluations``, ``loss``, ``train_seconds``, ``message``.

    Raises:
      InputError: the model is unknown or does not fit the data; the directory holds other files
        or a network trained with other settings; or ``training_board`` raises it.
    """
    definition = get_definition(config.model)
    directory = Path(output_dir)
    job = Job(
        directory,
        KIND,
        {
            **dataclasses.asdict(config),
            "dataset": train_set.name,
            "split": train_set.split,
            "test_split": test_set.split,
        },
        {"train_set": describe(train_set), "test_set": describe(test_set)},
    )
    # Killed between the two renames of the export: what was trained is there under another name.
    if not directory.exists():
        remove_unfinished(directory)
    manifest = job.finished(ASSETS)
    with training_board(tensorboard_dir, job, train_set, test_set) as board:
        if manifest is None:
            checkpoints = Checkpoints(directory)
            with job.claim(allowed=[CHECKPOINTS]):
                try:
                    result = train(
                        definition,
                        train_set,
                        seed=config.seed,
                        max_iterations=config.max_iterations,
                        frame_bound_penalty=config.frame_bound_penalty,
                        devices=config.devices,
                        checkpoints=checkpoints,
                        follow=board.follow if board else None,
                        progress=progress,
                    )
                except InputError:
                    checkpoints.remove()  # A rerun would not get farther.
                    raise
                manifest = export_network(
                    directory,
                    definition,
                    result,
                    train_set,
                    test_set,
                    flags=job.flags,
                    inputs=job.inputs,
                )
        if board is not None:
            board.finish(directory, manifest)
    return manifest


def export_network(
    directory: Path,
    definition: ModelDefinition,
    result: TrainingResult,
    train_set: ImageDataset,
    test_set: ImageDataset,
    *,
    flags: Mapping[str, Any],
    inputs: Mapping[str, Any],
) -> dict[str, Any]:
    """Measures a trained network and exports it; arguments and manifest as ``train_network``.

    The directory is this job's, whose hidden files the SavedModel replaces.
    """
    classifier = load_classifier(result.model, name=definition.name)
    errors = {
        name: error_rate(predict_classes(classifier, images.images), images.labels)._asdict()
        for name, images in (("train_error", train_set), ("test_error", test_set))
    }
    manifest = build_manifest(
        KIND,
        flags=flags,
        seed=flags["seed"],
        inputs=inputs,
        seconds=result.seconds,
        name=definition.name,
        title=definition.title,
        dataset=train_set.name,
        num_classes=train_set.num_classes,
        class_names=train_set.class_names,
        weight_decays=dict(definition.weight_decays),
        **errors,
        converged=result.converged,
        iterations=result.iterations,
        evaluations=result.evaluations,
        loss=result.loss,
        train_seconds=round(result.seconds, 3),
        message=result.message,
    )
    remove_unfinished(directory)
    export_saved_model(result.model, directory, manifest, replaced=[CLAIM, LOCK, CHECKPOINTS])
    return manifest


def describe(dataset: ImageDataset) -> dict[str, Any]:
    """What a manifest says of a dataset that was read, and of its photos that could not be."""
    return {
        "name": dataset.name,
        "split": dataset.split,
        "count": len(dataset.labels),
        "fingerprint": dataset.fingerprint,
        "skipped": len(dataset.skipped),
        "first_skipped": list(dataset.skipped[:5]),
    }
