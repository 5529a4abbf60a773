"""The shards of an adversarial set in the making: by any process, in any order, each by itself.

A shard's bytes depend on its images, the model and the attack only. Hidden files beside the shards
say which images they are of, and how long each took.
"""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfblindspots.adversarial_sets import AdversarialSetWriter
from tfblindspots.artifacts import atomic_path, read_json, write_json
from tfblindspots.attacks import (
    AttackConfig,
    batch_in_use,
    find_adversarial_examples,
)
from tfblindspots.data import ImageDataset
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
    """

    directory: Path
    classifier: Classifier
    dataset: ImageDataset
    config: AttackConfig
    positions: np.ndarray
    shard_size: int

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
        attack_job(directory, classifier, dataset, flags).require_same(record)
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
        # First, so that no shard lacks them.
        size = batch_in_use(self.classifier, self.config).size
        notes = {"seconds": time.perf_counter() - start, "batch_size": size}
        write_json(self.directory / _NOTES.format(shard), notes)
        self.writer.write_shard(shard, examples._asdict())

    def seconds(self) -> float:
        """How long all shards took, added up, whoever made them."""
        return sum(notes["seconds"] for notes in self._notes())

    def batch_size(self) -> int:
        """The smallest number of images in work that a shard came down to."""
        return min(int(notes["batch_size"]) for notes in self._notes())

    def _notes(self) -> list[dict[str, Any]]:
        return [read_json(path) for path in self.directory.glob(_NOTES.format("*"))]

    def any_made(self) -> bool:
        """Whether there is a shard."""
        return any(self.directory.glob("[!.]*.tfrecord-*"))

    def forget(self) -> None:
        """Removes what only an unfinished set needs."""
        for path in self.directory.glob(_NOTES.format("*")):
            path.unlink()
        (self.directory / _CHOICE).unlink(missing_ok=True)


# (shards, numbers of those to make, progress): makes them. ``progress`` is called with the number
# of images done so far.
Engine = Callable[[Shards, Sequence[int], Callable[[int], object]], None]


def make_in_turn(shards: Shards, numbers: Sequence[int], progress: Callable[[int], object]) -> None:
    """Makes shards one after the other in this process.

    When the system asks the process to end (SIGTERM), the one in work is made first.

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
    """What ``save_choice`` wrote; None where it has not."""
    path = directory / _CHOICE
    if not path.is_file():
        return None
    with np.load(path) as arrays:
        return Chosen(arrays["positions"], next(iter(arrays["candidates"].tolist()), None))


def _add(progress: Callable[[int], object], before: int, done: int) -> None:
    progress(before + done)
