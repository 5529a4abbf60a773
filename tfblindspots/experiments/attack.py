"""E1: the minimum-distortion adversarial example of every image of a split, as a set on disk."""

import dataclasses
import functools
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tfblindspots.adversarial_sets import AdversarialSetWriter, feature_description
from tfblindspots.analysis import (
    MODEL_SAMPLE,
    check_model,
    make_quality_card,
    summarize_distortions,
)
from tfblindspots.artifacts import atomic_path, build_manifest
from tfblindspots.attacks import AttackConfig, attacked, find_adversarial_examples
from tfblindspots.data import ImageDataset
from tfblindspots.experiments.choosing import choose_images, class_names, warn_of_unanswered
from tfblindspots.experiments.jobs import Job
from tfblindspots.experiments.training import describe
from tfblindspots.models import Classifier, check_images, check_labels
from tfblindspots.reports import quality_card_markdown

DEFAULT_SHARD_SIZE = 5000
QUALITY_CARD = "quality_card.md"
# What the summary and the quality card need.
_SUMMARIZED = (
    "label",
    "original_prediction",
    "target",
    "success",
    "distortion",
    "success_uint8",
    "distortion_uint8",
    "evaluations",
    "status",
    "index",
)


def make_adversarial_set(
    classifier: Classifier,
    dataset: ImageDataset,
    config: AttackConfig,
    output_dir: str | os.PathLike[str],
    *,
    num_examples: int | None = None,
    sample: int | None = None,
    shard_size: int = DEFAULT_SHARD_SIZE,
    progress: bool = False,
) -> dict[str, Any]:
    """Attacks images shard by shard, or finds their set already there.

    An interrupted run leaves complete shards, and a run with the same settings goes on after them.
    With a class number as the target, images whose label or prediction is that class are left out.
    The set's quality card lies beside it as ``quality_card.md``.

    Args:
      classifier: the model under attack.
      dataset: images to attack.
      config: the attack.
      output_dir: where the set goes; new, empty, or this very set's.
      num_examples: attack the first images only; None for all.
      sample: attack so many that are drawn at random (by the configuration's seed) from those that
        the model classifies correctly, instead; None for no sample.
      shard_size: examples a shard.
      progress: show a progress bar.

    Returns:
      The set's manifest. Besides the common keys and those of ``AdversarialSetWriter.finish``:
      ``dataset``, ``split``, ``model`` (its ``description``), ``attack`` (the configuration),
      ``candidates`` (images that the sample was drawn from, None without one), ``summary`` (see
      ``summarize_distortions``) and ``quality_card`` (see ``make_quality_card``).

    Raises:
      InputError: the images, labels or target do not fit the model; the model gives NaN for every
        image; the directory holds other files or a set made with other settings.
    """
    directory = Path(output_dir)
    model = classifier.description
    job = Job(
        directory,
        "adversarial_set",
        {
            "dataset": dataset.name,
            "split": dataset.split,
            "num_examples": num_examples,
            "sample": sample,
            "shard_size": shard_size,
            **dataclasses.asdict(config),
        },
        {"model": model, "dataset": describe(dataset)},
    )
    manifest = job.finished()
    if manifest is not None:
        return manifest
    check_images(classifier, dataset.images)
    check_labels(classifier, dataset.labels)
    chosen = choose_images(
        classifier, dataset, config.target, config.seed, num_examples=num_examples, sample=sample
    )
    positions = chosen.positions
    with job.claim(allowed=["*"]) as notes:
        # The last file before the manifest: an interruption in between leaves it.
        (directory / QUALITY_CARD).unlink(missing_ok=True)
        writer = AdversarialSetWriter(
            directory,
            image_shape=classifier.image_shape,
            class_names=class_names(classifier, dataset),
            source_split=dataset.source_split,
            num_examples=len(positions),
            shard_size=shard_size,
        )
        seconds = notes.setdefault("seconds", {})
        missing = writer.missing_shards()
        remaining = sum(last - first for first, last in map(writer.shard_range, missing))
        with tqdm(
            desc=f"attack {classifier.name} ({config.target})",
            total=len(positions),
            initial=len(positions) - remaining,
            unit="img",
            disable=not progress,
        ) as bar:
            for shard in missing:
                start, before = time.perf_counter(), bar.n
                part = positions[slice(*writer.shard_range(shard))]
                examples = find_adversarial_examples(
                    classifier,
                    dataset.images[part],
                    dataset.labels[part],
                    config,
                    indices=dataset.indices[part],
                    progress=functools.partial(_advance, bar, before),
                )
                writer.write_shard(shard, examples._asdict())
                _advance(bar, before, len(part))
                seconds[str(shard)] = time.perf_counter() - start
                job.note(notes)
        found = _read_fields(directory, _SUMMARIZED, classifier.image_shape)
        warn_of_unanswered(classifier, found)
        checked = np.flatnonzero(attacked(found))[:MODEL_SAMPLE]
        checks = check_model(
            classifier,
            dataset.images[positions[checked]],
            found["label"][checked],
            found["target"][checked],
        )
        manifest = build_manifest(
            job.kind,
            flags=job.flags,
            seed=config.seed,
            inputs=job.inputs,
            seconds=sum(seconds.values()),
            dataset=dataset.name,
            split=dataset.split,
            model=model,
            attack=dataclasses.asdict(config),
            candidates=chosen.candidates,
            summary=summarize_distortions(found, sum(seconds.values())),
            quality_card=make_quality_card(found, checks),
        )
        with atomic_path(directory / QUALITY_CARD) as temporary:
            temporary.write_text(quality_card_markdown(manifest), encoding="utf-8")
        return writer.finish(manifest)


def _advance(bar: tqdm, before: int, done: int) -> None:
    bar.update(before + done - bar.n)


def _read_fields(
    directory: Path, names: Sequence[str], image_shape: Sequence[int]
) -> dict[str, np.ndarray]:
    """Reads some fields of all shards back: those of interrupted runs are no longer in memory."""
    features = feature_description(image_shape)
    chosen = {name: features[name] for name in names}
    shards = sorted(map(str, directory.glob("[!.]*.tfrecord-*")))
    records = tf.data.TFRecordDataset(shards).batch(1000)
    batches = list(
        records.map(lambda batch: tf.io.parse_example(batch, chosen)).as_numpy_iterator()
    )
    fields = {name: np.concatenate([batch[name] for batch in batches]) for name in names}
    fields["status"] = np.array([text.decode() for text in fields["status"]], dtype=object)
    return fields
