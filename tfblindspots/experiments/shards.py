"""The shards of an adversarial set in the making: by any process, in any order, each by itself.

A shard's bytes depend on its images, the model and the attack only. Hidden files beside the shards
say which images they are of, and how long each took.
"""

import dataclasses
import functools
import math
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfblindspots.adversarial_sets import AdversarialSetWriter
from tfblindspots.artifacts import atomic_path, fingerprint_path, read_json, write_json
from tfblindspots.attacks import (
    AttackConfig,
    batch_in_use,
    find_adversarial_examples,
)
from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.experiments.choosing import Chosen, class_names
from tfblindspots.experiments.jobs import CLAIM, Job
from tfblindspots.experiments.training import describe
from tfblindspots.models import Classifier
from tfblindspots.stopping import finish_first

KIND = "adversarial_set"
# Of photos fewer: what a killed run loses, and a file, stay of a handy size.
LARGEST_SHARD = 5000
_SHARD_BYTES = 256 << 20
_CHOICE = ".choice.npz"
_NOTES = ".shard-{}.json"
# Of Beam's jobs that were killed.
_MARKS = ".stop-*.json"


def default_shard_size(image_shape: Sequence[int]) -> int:
    """Examples a shard: at most 5,000 and, unless a single one is larger, 256 MiB."""
    example_bytes = 9 * math.prod(image_shape)  # two images of floats, one of bytes
    return max(1, min(LARGEST_SHARD, _SHARD_BYTES // example_bytes))


def attack_job(
    directory: Path, classifier: Classifier, dataset: ImageDataset, flags: Mapping[str, Any]
) -> Job:
    """The job of making a set.

    Args:
      directory: of the set.
      classifier: the model under attack.
      dataset: the images.
      flags: fields of ``AttackConfig``, and ``num_examples``, ``sample`` and ``shard_size``.
    """
    return Job(
        directory,
        KIND,
        {**flags, "dataset": dataset.name, "split": dataset.split},
        {"model": classifier.description, "dataset": describe(dataset)},
    )


@dataclasses.dataclass(frozen=True)
class Shards:
    """All that is needed to make any shard of a set.

    Attributes:
      directory: of the set, which a job has claimed.
      classifier: the model under attack.
      dataset: the images.
      config: the attack.
      positions: of the images that are attacked in the dataset, int64 [N].
      shard_size: examples a shard.
      job: fingerprint of the job, which tells shards of other settings.
    """

    directory: Path
    classifier: Classifier
    dataset: ImageDataset
    config: AttackConfig
    positions: np.ndarray
    shard_size: int
    job: str

    @classmethod
    def under_way(cls, directory: Path, classifier: Classifier, dataset: ImageDataset) -> "Shards":
        """Those of a set that another process has begun.

        Args:
          directory: of the set.
          classifier: the model that was named to the other process.
          dataset: the images that were named to it.

        Raises:
          InputError: no set is under way there, or one of other images or of another model.
        """
        record = read_json(directory / CLAIM)
        flags = record["flags"]
        job = attack_job(directory, classifier, dataset, flags)
        job.require_same(record)
        names = [field.name for field in dataclasses.fields(AttackConfig)]
        chosen = saved_choice(directory)
        assert chosen is not None, "written before the first shard is asked for"
        return cls(
            directory,
            classifier,
            dataset,
            with_batch_size(directory, AttackConfig(**{name: flags[name] for name in names})),
            chosen.positions,
            flags["shard_size"],
            job.fingerprint,
        )

    @functools.cached_property
    def writer(self) -> AdversarialSetWriter:
        """Of the set."""
        return AdversarialSetWriter(
            self.directory,
            image_shape=self.classifier.image_shape,
            class_names=class_names(self.classifier, self.dataset),
            source_split=self.dataset.source_split,
            num_examples=len(self.positions),
            shard_size=self.shard_size,
            clean=False,  # Others may be at work.
        )

    def size(self, shard: int) -> int:
        """The number of a shard's examples."""
        first, last = self.writer.shard_range(shard)
        return last - first

    def make(self, shard: int, progress: Callable[[int], object] | None = None) -> None:
        """Attacks the images of one shard and writes it.

        Args:
          shard: its number.
          progress: called now and then with the number of its images done so far.
        """
        start = time.perf_counter()
        part = self.positions[slice(*self.writer.shard_range(shard))]
        examples = find_adversarial_examples(
            self.classifier,
            self.dataset.images[part],
            self.dataset.labels[part],
            self.config,
            indices=self.dataset.indices[part],
            progress=progress,
        )
        notes = {
            "job": self.job,
            "seconds": time.perf_counter() - start,
            "batch_size": batch_in_use(self.classifier, self.config).size,
        }

        def note(path: Path) -> None:
            """Before the shard has its name, so that none lacks its notes."""
            write_json(self._notes_path(shard), notes | {"sha256": fingerprint_path(path)})

        self.writer.write_shard(shard, examples._asdict(), note)

    def check(self) -> "Made":
        """Finds out whether every shard is the one that this job made.

        Raises:
          InputError: one is not, or nothing tells.
        """
        made: dict[str, dict[str, Any]] = {}  # the notes of each shard, by its name
        for shard in range(self.writer.num_shards):
            path = self.writer.shard_path(shard)
            try:
                notes = read_json(self._notes_path(shard))
                found = {name: notes[name] for name in ("job", "sha256", "seconds", "batch_size")}
            except (InputError, KeyError, TypeError):
                raise InputError(
                    f"{path} has no notes beside it ({self._notes_path(shard).name}) that say "
                    "which attack it is of; copy these with it, or delete it and run the same "
                    "command again, which makes it anew."
                ) from None
            if (found["job"], found["sha256"]) != (self.job, fingerprint_path(path)):
                what = "was changed"
                if found["job"] != self.job:
                    what = "is of an attack with other settings"
                raise InputError(
                    f"{path} {what}, its notes say; delete it, or copy it again where it came from "
                    "elsewhere, and run the same command again."
                )
            made[path.name] = found
        return Made(
            {name: notes["sha256"] for name, notes in made.items()},
            sum(notes["seconds"] for notes in made.values()),
            min(notes["batch_size"] for notes in made.values()),
        )

    def _notes_path(self, shard: int) -> Path:
        return self.directory / _NOTES.format(shard)

    def any_made(self) -> bool:
        """Whether there is a shard."""
        return any(self.directory.glob("[!.]*.tfrecord-*"))


class Made(NamedTuple):
    """What is known of the shards of a set, all of them there."""

    fingerprints: dict[str, str]  # SHA-256 by name
    seconds: float  # that all took, added up, whoever made them
    batch_size: int  # images in work at a time, of the shard that came down to the fewest


# (shards, numbers of those to make, progress): makes them. ``progress`` is called with the number
# of images done so far.
Engine = Callable[[Shards, Sequence[int], Callable[[int], object]], None]


def make_in_turn(shards: Shards, numbers: Sequence[int], progress: Callable[[int], object]) -> None:
    """Makes shards one after the other in this process.

    When the system asks the process to end (SIGTERM), the one in work is made first.

    Args:
      shards: of the set.
      numbers: of those to make.
      progress: called with the number of images done so far.

    Raises:
      Stopped: the process was asked to end.
    """
    done = 0
    with finish_first() as request:
        for shard in numbers:
            if request.asked:
                break
            shards.make(shard, functools.partial(_add, progress, done))
            done += shards.size(shard)
            progress(done)


def with_batch_size(directory: Path, config: AttackConfig) -> AttackConfig:
    """The attack with the batch size that the set was begun with."""
    with np.load(directory / _CHOICE) as arrays:
        return dataclasses.replace(config, batch_size=int(arrays["batch_size"]))


def save_choice(directory: Path, chosen: Chosen, batch_size: int) -> None:
    """Writes which images are attacked, how many at a time, for the processes that follow."""
    candidates = [] if chosen.candidates is None else [chosen.candidates]
    with atomic_path(directory / _CHOICE) as temporary, temporary.open("wb") as file:
        np.savez(file, positions=chosen.positions, candidates=candidates, batch_size=batch_size)


def saved_choice(directory: Path) -> Chosen | None:
    """What ``save_choice`` wrote; None where it has not, or where that was damaged since."""
    try:
        with np.load(directory / _CHOICE) as arrays:
            return Chosen(arrays["positions"], next(iter(arrays["candidates"].tolist()), None))
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None


def forget(directory: Path) -> None:
    """Removes what only an unfinished set needs."""
    for pattern in (_NOTES.format("*"), _CHOICE, _MARKS):
        for path in directory.glob(pattern):
            path.unlink(missing_ok=True)


def _add(progress: Callable[[int], object], before: int, done: int) -> None:
    progress(before + done)
