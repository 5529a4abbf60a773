"""A scaled-down QuocNet: features without labels, then a classifier of one class on top of them."""

import dataclasses
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from absl import logging

from tfblindspots.analysis import binary_metrics
from tfblindspots.artifacts import MANIFEST, atomic_path, build_manifest, read_json, write_json
from tfblindspots.data import ImageDataset, in_memory
from tfblindspots.errors import InputError
from tfblindspots.experiments.jobs import Job
from tfblindspots.experiments.training import KIND, describe
from tfblindspots.models import (
    STAGES,
    Stage,
    build_quocnet,
    check_stages,
    export_saved_model,
    load_classifier,
    predict_classes,
)
from tfblindspots.reports import figures
from tfblindspots.reports.filters import filters_figure
from tfblindspots.reports.reading import RESULTS
from tfblindspots.training import (
    LEAST_IMAGES,
    BinaryLogistic,
    apply_layers,
    fit_binary_logistic,
    learn_stage,
)

TITLE = "scaled-down QuocNet"
FILTERS = "filters.png"
SAVED_MODEL = "saved_model"
WEIGHT_DECAYS = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03)
_STAGE = "stage_{}.keras"
_CURVE_POINTS = 50


@dataclass(frozen=True)
class QuocNetConfig:
    """What a scaled-down QuocNet depends on, besides its data.

    Attributes:
      stages: their shapes, from the pixels upwards.
      steps: of learning each stage's filters.
      seed: of every random number.
    """

    stages: tuple[Stage, ...] = STAGES
    steps: int = 500
    seed: int = 0


def train_quocnet(
    config: QuocNetConfig,
    train_set: ImageDataset,
    test_set: ImageDataset,
    output_dir: str | os.PathLike[str],
    *,
    progress: bool = False,
) -> dict[str, Any]:
    """Learns features without labels, a classifier on them with labels, and measures it.

    An interrupted run goes on after the last complete stage.

    Args:
      config: what to train.
      train_set: images to learn from, with the classes 0 (the rest) and 1.
      test_set: images to measure the classifier on.
      output_dir: gets ``saved_model``, ``filters.png``, ``results.json`` and ``manifest.json``.
      progress: show progress bars.

    Returns:
      What ``results.json`` holds: ``stages`` (of each its shape, the curve of its objective and its
      seconds), ``classifier`` (weight decays tried and chosen), ``train`` and ``test``
      (``BinaryMetrics`` as a dictionary) and ``seconds`` of each part.

    Raises:
      InputError: there are not two classes, the images are too small or differ in shape, or the
        directory holds other files or the results of other settings.
    """
    _check_binary(train_set, LEAST_IMAGES)
    _check_binary(test_set, 1)
    check_stages(train_set.images.shape[1:], config.stages)
    directory = Path(output_dir)
    job = Job(
        directory,
        "quocnet",
        {
            "dataset": train_set.name,
            "split": train_set.split,
            "test_split": test_set.split,
            **dataclasses.asdict(config),
        },
        {"train_set": describe(train_set), "test_set": describe(test_set)},
    )
    stages = [_STAGE.format(number + 1) for number in range(len(config.stages))]
    if job.finished(parts=[RESULTS, SAVED_MODEL, FILTERS]):
        return read_json(directory / RESULTS)
    with job.claim(allowed=[RESULTS, SAVED_MODEL, FILTERS, *stages]) as notes:
        notes.setdefault("stages", [])
        images = in_memory(train_set.images, "training")
        layers, features = _learn_stages(config, images, job, notes, progress=progress)
        learnt = notes["stages"]
        start = time.perf_counter()
        flat = features.reshape(len(features), -1)
        fitted = fit_binary_logistic(
            flat, train_set.labels, WEIGHT_DECAYS, seed=config.seed, progress=progress
        )
        model = build_quocnet(train_set.images.shape[1:], layers)
        model.get_layer("logits").set_weights([fitted.kernel, fitted.bias])
        seconds = {
            **{f"stage {number + 1}": part["seconds"] for number, part in enumerate(learnt)},
            "classifier": time.perf_counter() - start,
        }
        start = time.perf_counter()
        metrics = _measure(model, {"train": train_set, "test": test_set})
        seconds["measuring"] = time.perf_counter() - start
        results = {
            "title": TITLE,
            "dataset": train_set.name,
            "class_names": train_set.class_names,
            "train_count": len(train_set.labels),
            "test_count": len(test_set.labels),
            "features": flat.shape[1],
            "weights": int(sum(np.prod(weight.shape) for weight in model.weights)),
            "stages": learnt,
            "classifier": _tried(fitted),
            **metrics,
            "seconds": {name: round(value, 1) for name, value in seconds.items()},
        }
        manifest = build_manifest(
            job.kind,
            flags=job.flags,
            seed=config.seed,
            inputs=job.inputs,
            seconds=sum(seconds.values()),
        )
        export_saved_model(
            model,
            directory / SAVED_MODEL,
            {
                **manifest,
                "kind": KIND,
                "name": model.name,
                "title": TITLE,
                "dataset": train_set.name,
                "num_classes": 2,
                "class_names": train_set.class_names,
                **metrics,
            },
        )
        figure = filters_figure(layers[0].kernel.numpy(), config.stages[0].receptive_field)
        with atomic_path(directory / FILTERS) as temporary:
            temporary.write_bytes(figures.png(figure))
        write_json(directory / RESULTS, results)
        write_json(directory / MANIFEST, manifest)
        for name in stages:  # the SavedModel holds them now
            (directory / name).unlink()
    return results


def _check_binary(dataset: ImageDataset, least: int) -> None:
    """Says before hours of work what would end it."""
    if dataset.num_classes != 2:
        raise InputError(
            f"{dataset.name} has {dataset.num_classes} classes; expected two, the rest and one "
            "class. Say which with --positive_class."
        )
    for name, count in zip(
        dataset.class_names, np.bincount(dataset.labels, minlength=2), strict=True
    ):
        if count < least:
            raise InputError(
                f"split '{dataset.split}' of {dataset.name} has {count} images of class '{name}'; "
                f"expected at least {least}. Name a larger split."
            )


def _learn_stages(
    config: QuocNetConfig,
    images: np.ndarray,
    job: Job,
    notes: dict[str, Any],
    *,
    progress: bool,
) -> tuple[list[keras.layers.Layer], np.ndarray]:
    """Layers of all stages and what they make of the images. There are no labels here."""
    layers: list[keras.layers.Layer] = []
    features = images
    for number, stage in enumerate(config.stages, start=1):
        path = job.directory / _STAGE.format(number)
        start = time.perf_counter()
        if len(notes["stages"]) >= number and path.is_file():
            found = list(keras.models.load_model(path, compile=False).layers[1:])
            features = apply_layers(found, features)
        else:
            learnt = learn_stage(
                features,
                number,
                stage,
                steps=config.steps,
                seed=config.seed,
                progress=progress,
            )
            found = list(learnt.layers)
            shape = features.shape[1:]
            features = apply_layers(found, features)
            _save(found, shape, path)
            # At most so many points: enough to see where it levels off.
            every = max(1, len(learnt.curve) // _CURVE_POINTS)
            entry = {
                **dataclasses.asdict(stage),
                "output": features.shape[1:],
                "floor": found[-1].floor,
                "curve": [
                    {"step": step, **learnt.curve[step]._asdict()}
                    for step in range(0, len(learnt.curve), every)
                ],
                "seconds": round(time.perf_counter() - start, 1),
            }
            notes["stages"] = [*notes["stages"][: number - 1], entry]
            job.note(notes)
            logging.info("Stage %d learnt in %.0f s.", number, entry["seconds"])
        layers += found
    return layers, features


def _save(layers: Sequence[keras.layers.Layer], shape: tuple[int, ...], path: Path) -> None:
    images = keras.Input(shape)
    values = images
    for layer in layers:
        values = layer(values)
    with atomic_path(path) as temporary, tempfile.TemporaryDirectory() as elsewhere:
        # Keras wants its own suffix.
        file = Path(elsewhere) / "stage.keras"
        keras.Model(images, values).save(file)
        shutil.copyfile(file, temporary)


def _measure(model: keras.Model, sets: Mapping[str, ImageDataset]) -> dict[str, dict[str, Any]]:
    classifier = load_classifier(model)
    return {
        name: binary_metrics(predict_classes(classifier, found.images), found.labels).as_dict()
        for name, found in sets.items()
    }


def _tried(fitted: BinaryLogistic) -> dict[str, Any]:
    return {
        "weight_decay": fitted.weight_decay,
        "held_out": fitted.held_out,
        "balanced_accuracy_by_weight_decay": [
            {"weight_decay": decay, "balanced_accuracy": value}
            for decay, value in fitted.validation.items()
        ],
    }
