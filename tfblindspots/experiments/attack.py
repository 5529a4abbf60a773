"""E1: the minimum-distortion adversarial example of every image of a split, as a set on disk."""

import contextlib
import dataclasses
import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from tfblindspots.analysis import (
    MODEL_SAMPLE,
    check_model,
    make_quality_card,
    summarize_distortions,
)
from tfblindspots.artifacts import atomic_path, build_manifest
from tfblindspots.attacks import AttackConfig, attacked, choose_batch_size
from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.experiments.choosing import Chosen, choose_images, warn_of_unanswered
from tfblindspots.experiments.jobs import CLAIM, Job
from tfblindspots.experiments.locking import locked
from tfblindspots.experiments.shards import (
    Engine,
    Shards,
    attack_job,
    default_shard_size,
    forget,
    make_in_turn,
    save_choice,
    saved_choice,
    with_batch_size,
)
from tfblindspots.models import Classifier, check_images, check_labels
from tfblindspots.reports import quality_card_markdown

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
    shard_size: int | None = None,
    engine: Engine = make_in_turn,
    progress: bool = False,
) -> dict[str, Any]:
    """Attacks images shard by shard, or finds their set already there.

    An interrupted run leaves complete shards, and a run with the same settings makes those that are
    missing. The shards are the same, byte for byte, in whichever order and by however many
    processes they were made, on machines and with libraries of the same kind.
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
      shard_size: examples a shard; None for 5,000, or as many as 256 MiB hold.
      engine: makes the shards that are missing.
      progress: show a progress bar.

    Returns:
      The set's manifest. Besides the common keys and those of ``AdversarialSetWriter.finish``:
      ``dataset``, ``split``, ``model`` (its ``description``), ``attack`` (the configuration),
      ``batch_size`` (images in work at a time, in the end), ``candidates`` (images that the sample
      was drawn from, None without one), ``summary`` (see ``summarize_distortions``) and
      ``quality_card`` (see ``make_quality_card``). Its seconds are those of all shards, added up,
      whichever process made them.

    Raises:
      InputError: the images, labels or target do not fit the model; the model gives NaN for every
        image; the directory holds other files or a set made with other settings, or another process
        is at work there.
      Stopped: the system asked the process to end; the shard in work is made.
    """
    return AttackRun(
        classifier, dataset, config, Path(output_dir), num_examples, sample, shard_size, progress
    ).complete(engine)


@dataclasses.dataclass(frozen=True)
class AttackRun:
    """The making of a set, whole or, on several machines, in parts.

    Attributes:
      classifier: as for ``make_adversarial_set``, and so on.
      dataset: images to attack.
      config: the attack.
      directory: where the set goes.
      num_examples: attack the first images only.
      sample: attack so many that are drawn at random.
      shard_size: examples a shard.
      progress: show a progress bar.
    """

    classifier: Classifier
    dataset: ImageDataset
    config: AttackConfig
    directory: Path
    num_examples: int | None = None
    sample: int | None = None
    shard_size: int | None = None
    progress: bool = False

    def complete(self, engine: Engine = make_in_turn) -> dict[str, Any]:
        """Makes what is missing of the set; arguments, returns and raises of the function above."""
        job = self._job
        manifest = job.finished()
        if manifest is not None:
            self._tidy()
            return manifest
        chosen = self._choose()
        with job.claim(allowed=["*"], begin=lambda: self._keep(chosen)):
            # The last file before the manifest: an interruption in between leaves it.
            (self.directory / QUALITY_CARD).unlink(missing_ok=True)
            shards = self._shards(chosen, job)
            try:
                self._make(shards, range(shards.writer.num_shards), engine)
                return self._finish(job, shards, chosen.candidates)
            except BaseException:
                # What fails at once leaves nothing, where anything can be removed at all.
                with contextlib.suppress(OSError):
                    if not shards.any_made():
                        forget(self.directory)
                raise

    def make_part(self, numbers: range, engine: Engine = make_in_turn) -> list[int]:
        """Makes some shards only; other processes may make others at the same time.

        Args:
          numbers: of the shards; those that are there already are not made again.
          engine: makes those that are missing.

        Returns:
          The numbers of the shards that the whole set still lacks. When it lacks none, ``complete``
          makes the directory a set.

        Raises:
          InputError: as ``make_adversarial_set``, or the set has no shards of these numbers.
          Stopped: likewise.
        """
        job = self._job
        manifest = job.finished()
        if manifest is not None:
            self._require_shards(numbers, len(manifest["shards"]))
            return []
        chosen = self._choose()
        count = -(-len(chosen.positions) // job.flags["shard_size"])
        self._require_shards(numbers, count)
        with job.claim(allowed=["*"], shards=numbers, begin=lambda: self._keep(chosen)):
            shards = self._shards(chosen, job)
            self._make(shards, numbers, engine)
            return shards.writer.missing_shards()

    @functools.cached_property
    def _job(self) -> Job:
        settings = {
            "num_examples": self.num_examples,
            "sample": self.sample,
            "shard_size": self.shard_size or default_shard_size(self.classifier.image_shape),
            **dataclasses.asdict(self.config),
        }
        return attack_job(self.directory, self.classifier, self.dataset, settings)

    def _choose(self) -> Chosen:
        """The images, as an earlier run has left them or anew."""
        check_images(self.classifier, self.dataset.images)
        check_labels(self.classifier, self.dataset.labels)
        return saved_choice(self.directory) or choose_images(
            self.classifier,
            self.dataset,
            self.config.target,
            self.config.seed,
            num_examples=self.num_examples,
            sample=self.sample,
        )

    def _keep(self, chosen: Chosen) -> None:
        """Lets the runs and processes that follow attack the same images, as many at a time."""
        if saved_choice(self.directory) is None:
            save_choice(self.directory, chosen, choose_batch_size(self.classifier, self.config))

    def _require_shards(self, numbers: range, count: int) -> None:
        if not 0 <= numbers.start < numbers.stop <= count:
            raise InputError(
                f"shards {numbers.start}:{numbers.stop} were asked for; the set has {count}, so "
                f"expected a part of 0:{count}."
            )

    def _tidy(self) -> None:
        """Removes what a process that was killed right after the manifest has left."""
        claim = self.directory / CLAIM
        if claim.exists():
            with contextlib.suppress(InputError), locked(self.directory):
                forget(self.directory)
                claim.unlink(missing_ok=True)

    def _shards(self, chosen: Chosen, job: Job) -> Shards:
        return Shards(
            self.directory,
            self.classifier,
            self.dataset,
            with_batch_size(self.directory, self.config),
            chosen.positions,
            job.flags["shard_size"],
            job.fingerprint,
        )

    def _make(self, shards: Shards, numbers: range, engine: Engine) -> None:
        wanted = sum(map(shards.size, numbers))
        missing = [number for number in shards.writer.missing_shards() if number in numbers]
        if not missing:
            return
        there = wanted - sum(map(shards.size, missing))
        with tqdm(
            desc=f"attack {self.classifier.name} ({self.config.target})",
            total=wanted,
            initial=there,
            unit="img",
            disable=not self.progress,
        ) as bar:
            engine(shards, missing, lambda done: bar.update(there + done - bar.n))

    def _finish(self, job: Job, shards: Shards, candidates: int | None) -> dict[str, Any]:
        """Checks what the shards hold, and makes the directory a set."""
        found = shards.writer.read_fields((*_SUMMARIZED, "index"))
        made = shards.check()
        if not np.array_equal(found["index"], self.dataset.indices[shards.positions]):
            raise InputError(
                f"{self.directory} holds shards under each other's names; delete them, or copy "
                "them again, and run the same command again."
            )
        warn_of_unanswered(self.classifier, found)
        checked = np.flatnonzero(attacked(found))[:MODEL_SAMPLE]
        checks = check_model(
            self.classifier,
            self.dataset.images[shards.positions[checked]],
            found["label"][checked],
            found["target"][checked],
        )
        manifest = build_manifest(
            job.kind,
            flags=job.flags,
            seed=self.config.seed,
            inputs=job.inputs,
            seconds=made.seconds,
            dataset=self.dataset.name,
            split=self.dataset.split,
            model=self.classifier.description,
            attack=dataclasses.asdict(self.config),
            batch_size=made.batch_size,
            candidates=candidates,
            summary=summarize_distortions(found, made.seconds),
            quality_card=make_quality_card(found, checks),
        )
        with atomic_path(self.directory / QUALITY_CARD) as temporary:
            temporary.write_text(quality_card_markdown(manifest), encoding="utf-8")
        manifest = shards.writer.finish(manifest, made.fingerprints)
        forget(self.directory)
        return manifest


def refuse_missing(
    shards: Shards, numbers: Sequence[int], progress: Callable[[int], object]
) -> None:
    """The engine that makes nothing: it completes a set of which all shards are there.

    Args:
      shards: of the set.
      numbers: of those that are missing.
      progress: not called.

    Raises:
      InputError: some are not.
    """
    raise InputError(
        f"{shards.directory} lacks {len(numbers)} of {shards.writer.num_shards} shards "
        f"({as_ranges(numbers)}); make or copy them there first, with the hidden files beside them."
    )


def as_ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers in short: ``0:3, 7`` for 0, 1, 2, 7."""
    gaps = [at for at in range(1, len(numbers)) if numbers[at] != numbers[at - 1] + 1]
    parts = np.split(np.asarray(numbers), gaps)
    return ", ".join(
        str(part[0]) if len(part) == 1 else f"{part[0]}:{part[-1] + 1}" for part in parts
    )
