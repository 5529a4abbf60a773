"""The index of a folder of SavedModels: what each is, its errors, and how near its blind spots."""

import dataclasses
import functools
import os
import time
from pathlib import Path
from typing import Any

import keras
from absl import logging
from tqdm import tqdm

from tfblindspots.analysis import summarize_distortions
from tfblindspots.artifacts import (
    MANIFEST,
    atomic_path,
    build_manifest,
    read_json,
    read_manifest,
    write_json,
)
from tfblindspots.attacks import AttackConfig, find_adversarial_examples
from tfblindspots.data import load_dataset
from tfblindspots.errors import InputError
from tfblindspots.experiments.choosing import choose_images
from tfblindspots.experiments.training import KIND, describe
from tfblindspots.models import ASSETS, Classifier, load_classifier, load_keras_model
from tfblindspots.reports import model_index_markdown

INDEX = "README.md"
MEASUREMENT = "minimum_distortion.json"
_TARGETS = ("untargeted", "random")
# Images that are attacked where the model has convolutions, which take some 20 times as long.
_SAMPLE = 1000


def index_models(
    root: str | os.PathLike[str],
    *,
    data_dir: str | None = None,
    seed: int = 0,
    progress: bool = False,
) -> list[dict[str, Any]]:
    """Writes the index of a folder of SavedModels, from what lies beside each.

    A model that lacks its minimum distortions (``assets.extra/minimum_distortion.json``), or whose
    weights changed since, is attacked on its test split, untargeted and with random targets:
    every image, or a random sample of 1,000 correctly classified ones where it has convolutions.

    Args:
      root: the folder; SavedModels of this package at any depth in it. Gets ``README.md``.
      data_dir: where TensorFlow Datasets keeps its data.
      seed: of targets and samples.
      progress: show progress bars.

    Returns:
      An entry a model, sorted by path: ``path`` below the root, its ``manifest``,
      ``minimum_distortion`` (what the file holds; None where the images are not known or not
      there), ``fingerprint``, ``parameters``, ``image_shape``, ``num_classes`` and ``bytes``.

    Raises:
      InputError: there is no model, or one is broken or unsafe. One whose data cannot be loaded is
        listed, with a warning.
    """
    folder = Path(root)
    paths = sorted(
        path.parent
        for path in folder.glob("**/saved_model.pb")
        if (path.parent / ASSETS / MANIFEST).is_file()
    )
    if not paths:
        raise InputError(
            f"{folder} holds no SavedModel of this package; expected some, each in its own folder, "
            "as scripts/train.py writes them."
        )
    entries = [_entry(path, folder, data_dir, seed, progress=progress) for path in paths]
    with atomic_path(folder / INDEX) as temporary:
        temporary.write_text(model_index_markdown(entries), encoding="utf-8")
    return entries


def _entry(
    path: Path, folder: Path, data_dir: str | None, seed: int, *, progress: bool
) -> dict[str, Any]:
    manifest = read_manifest(path / ASSETS, KIND)
    network = load_keras_model(path)
    classifier = load_classifier(path)
    file = path / ASSETS / MEASUREMENT
    measured = read_json(file) if file.is_file() else None
    if measured is None or measured["inputs"]["model"]["fingerprint"] != classifier.fingerprint:
        measured = _measure(classifier, network, manifest, data_dir, seed, progress=progress)
        if measured is not None:
            write_json(file, measured)
    return {
        "path": path.relative_to(folder).as_posix(),
        "manifest": manifest,
        "minimum_distortion": measured,
        "fingerprint": classifier.fingerprint,
        "parameters": network.count_params(),
        "image_shape": list(classifier.image_shape),
        "num_classes": classifier.num_classes,
        "bytes": sum(entry.stat().st_size for entry in path.rglob("*") if entry.is_file()),
    }


def _measure(
    classifier: Classifier,
    network: keras.Model,
    manifest: dict[str, Any],
    data_dir: str | None,
    seed: int,
    *,
    progress: bool,
) -> dict[str, Any] | None:
    """Attacks a model; None where what it was tested on is not known or not there."""
    flags = manifest["flags"]
    name = manifest.get("dataset", flags.get("dataset"))
    if name is None:
        logging.warning("The manifest of %s names no data: not attacked.", classifier.name)
        return None
    split, image_size = flags.get("test_split", "test"), None
    # Imported networks take photos, which are scaled to their size.
    if "image_shape" in manifest:
        split, image_size = flags["split"], classifier.image_shape[:2]
    try:
        dataset = load_dataset(name, split, data_dir, image_size=image_size, progress=progress)
    except InputError as error:
        logging.warning("Model %s is listed but not attacked: %s", classifier.name, error)
        return None
    sample = _SAMPLE if _has_convolution(network) else None
    start = time.perf_counter()
    summaries = {}
    for target in _TARGETS:
        config = AttackConfig(target=target, seed=seed)
        chosen = choose_images(classifier, dataset, target, seed, sample=sample)
        before = time.perf_counter()
        with tqdm(
            desc=f"attack {classifier.name} ({target})",
            total=len(chosen.positions),
            unit="img",
            disable=not progress,
        ) as bar:
            examples = find_adversarial_examples(
                classifier,
                dataset.images[chosen.positions],
                dataset.labels[chosen.positions],
                config,
                indices=dataset.indices[chosen.positions],
                progress=functools.partial(_advance, bar),
            )
        seconds = time.perf_counter() - before
        summaries[target] = summarize_distortions(examples._asdict(), seconds)
    return build_manifest(
        "minimum_distortion",
        flags={
            "dataset": dataset.name,
            "split": dataset.split,
            "sample": sample,
            **dataclasses.asdict(AttackConfig(seed=seed)),
            "target": ",".join(_TARGETS),
        },
        seed=seed,
        inputs={"model": classifier.description, "dataset": describe(dataset)},
        seconds=time.perf_counter() - start,
        targets=summaries,
    )


def _advance(bar: tqdm, done: int) -> None:
    bar.update(done - bar.n)


def _has_convolution(model: keras.Model) -> bool:
    return any(
        isinstance(layer, keras.layers.Conv2D)
        or (isinstance(layer, keras.Model) and _has_convolution(layer))
        for layer in model.layers
    )
