"""Every model's error on every adversarial set, on the clean images, and on Gaussian noise."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tfblindspots.adversarial_sets import AdversarialSet, read_adversarial_set
from tfblindspots.analysis import cross_error_table
from tfblindspots.artifacts import (
    MANIFEST,
    atomic_path,
    build_manifest,
    fingerprint_path,
    read_json,
    read_manifest,
    write_json,
)
from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.experiments.image_sets import (
    CleanImages,
    adversarial_images,
    amplified_images,
    clean_and_noise,
)
from tfblindspots.experiments.jobs import Job
from tfblindspots.experiments.markdown import error_table
from tfblindspots.experiments.provenance import warn_of_namesakes
from tfblindspots.experiments.training import describe
from tfblindspots.models import Classifier, check_images, check_labels
from tfblindspots.reports.reading import RESULTS

TABLE = "table.md"


def evaluate_models(
    classifiers: Sequence[Classifier],
    adversarial_sets: Sequence[str | os.PathLike[str]],
    output_dir: str | os.PathLike[str],
    *,
    clean: ImageDataset | None = None,
    noise_stddevs: Sequence[float] = (),
    amplify_to: float | None = None,
    seed: int = 0,
    progress: bool = False,
) -> dict[str, Any]:
    """Measures models on sets and writes a table, or finds these very measurements already there.

    Args:
      classifiers: the columns; their names differ.
      adversarial_sets: directories of adversarial sets, the rows.
      output_dir: where ``results.json``, ``table.md`` and the manifest go.
      clean: images of the rows for clean images and noise, of the sets' own dataset and split;
        None for the originals of the sets.
      noise_stddevs: standard deviations of Gaussian noise, in units of the pixel range.
      amplify_to: distortion to which each set's perturbations are amplified for a second row; None
        for no such rows.
      seed: of the noise.
      progress: show a progress bar.

    Returns:
      What ``results.json`` holds: the table as ``cross_error_table`` gives it.

    Raises:
      InputError: there is nothing to evaluate; images or labels do not fit a model; a set is
        unfinished or damaged, or was made of another dataset or split than ``clean``; the directory
        holds other files or the results of other settings.
    """
    if not classifiers or not (adversarial_sets or clean):
        raise InputError(
            "there is nothing to evaluate; name at least one model, and adversarial sets or a "
            "dataset."
        )
    sets = dict(zip(distinct_names(adversarial_sets), adversarial_sets, strict=True))
    if clean:
        for classifier in classifiers:
            check_images(classifier, clean.images)
            check_labels(classifier, clean.labels)
    directory = Path(output_dir)
    job = Job(
        directory,
        "evaluation",
        {
            "saved_models": ",".join(classifier.name for classifier in classifiers),
            "adversarial_sets": ",".join(sets),
            "dataset": clean.name if clean else None,
            "split": clean.split if clean else None,
            "noise_stddevs": ",".join(f"{stddev:g}" for stddev in noise_stddevs),
            "amplify_to": amplify_to,
            "seed": seed,
        },
        _inputs(classifiers, sets, clean),
    )
    if job.finished(parts=[RESULTS, TABLE]):
        return read_json(directory / RESULTS)
    start = time.perf_counter()
    with job.claim(allowed=[RESULTS, TABLE]):
        originals = [CleanImages.of_dataset(clean)] if clean else []
        rows = []
        # One set at a time, since few fit in memory.
        for name, path in tqdm(sets.items(), "evaluate", unit="set", disable=not progress):
            adversarial_set = read_adversarial_set(path)
            warn_of_namesakes(adversarial_set, classifiers)
            if clean:
                _require_same_source(adversarial_set, clean)
            image_sets = [adversarial_images(adversarial_set, name)]
            if amplify_to is not None:
                image_sets.append(amplified_images(adversarial_set, name, amplify_to))
            rows += cross_error_table(classifiers, image_sets)["rows"]
            images = CleanImages.of_adversarial_set(adversarial_set)
            if not clean and images not in originals:
                originals.append(images)
        for images in originals:
            for image_set in clean_and_noise(images, noise_stddevs, seed, len(originals) > 1):
                rows += cross_error_table(classifiers, [image_set])["rows"]
        table = {"columns": [classifier.name for classifier in classifiers], "rows": rows}
        write_json(directory / RESULTS, table)
        with atomic_path(directory / TABLE) as temporary:
            temporary.write_text(error_table(table), encoding="utf-8")
        manifest = build_manifest(
            job.kind,
            flags=job.flags,
            seed=seed,
            inputs=job.inputs,
            seconds=time.perf_counter() - start,
        )
        write_json(directory / MANIFEST, manifest)
    return table


def _require_same_source(adversarial_set: AdversarialSet, clean: ImageDataset) -> None:
    dataset, split = adversarial_set.manifest.get("dataset"), adversarial_set.source_split
    if dataset is not None and (dataset, split) != (clean.name, clean.source_split):
        raise InputError(
            f"set {adversarial_set.name} was made of {dataset} {split}, but the clean images are "
            f"{clean.name} {clean.split}; expected the same dataset and split, since rows are "
            "compared. Leave --dataset out to take the sets' own originals."
        )


def distinct_names(paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """What to call models or sets: the last parts of their paths, or whole paths if those repeat.

    Raises:
      InputError: a path is named twice.
    """
    names = [Path(path).resolve().name for path in paths]
    if len(set(names)) == len(names):
        return names
    whole = [os.path.normpath(path) for path in paths]
    for i, path in enumerate(whole):
        if path in whole[:i]:
            raise InputError(f"{path} is named twice; expected each path once.")
    return whole


def set_inputs(sets: Mapping[str, str | os.PathLike[str]]) -> dict[str, dict[str, Any]]:
    """The inputs of a `Job` that reads adversarial sets.

    Args:
      sets: their directories by name.

    Raises:
      InputError: a directory is absent, or is no finished adversarial set.
    """
    inputs = {}
    for name, path in sets.items():
        read_manifest(path, "adversarial_set")
        # The manifest holds the SHA-256 of every shard.
        fingerprint = fingerprint_path(Path(path) / MANIFEST)
        inputs[f"set {name}"] = {"name": name, "fingerprint": fingerprint}
    return inputs


def _inputs(
    classifiers: Sequence[Classifier],
    sets: dict[str, str | os.PathLike[str]],
    clean: ImageDataset | None,
) -> dict[str, dict[str, Any]]:
    inputs = {f"model {classifier.name}": classifier.description for classifier in classifiers}
    inputs |= set_inputs(sets)
    if clean:
        inputs["clean images"] = describe(clean)
    return inputs
