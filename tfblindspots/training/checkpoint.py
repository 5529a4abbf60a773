"""What a training needs to go on after its process was killed, saved now and then.

A run that goes on computes what an uninterrupted one would have: everything that changes during a
training is saved, and whatever is random is either keyed by the step or saved as well.
"""

import os
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from tfblindspots.artifacts import atomic_path
from tfblindspots.version import VERSION

# Names of the hidden files, as a glob pattern.
CHECKPOINTS = ".checkpoint-*.npz"
# At most this share of the time goes into saving, and never more often than so many seconds.
_SHARE = 0.01
_LEAST_SECONDS = 1.0

State = Mapping[str, Any]


class Checkpoint:
    """The file of one stage of a training: arrays by name, replaced at once."""

    def __init__(self, path: Path | None) -> None:
        """Looks for what an earlier run has left.

        Args:
          path: of the file, in a directory that belongs to this very training; None for no file.
        """
        self._path = path
        self.state = None if path is None else _load(path)
        before = 0.0 if self.state is None else float(self.state["seconds"])
        self._start = time.monotonic() - before
        self._next = time.monotonic() + _LEAST_SECONDS

    @property
    def seconds(self) -> float:
        """Wall clock that the stage took so far, in this run and in those before it."""
        return time.monotonic() - self._start

    def save(self, state: Callable[[], State], *, last: bool = False) -> None:
        """Saves the state of the training, if that is due.

        Args:
          state: gives numbers, texts and arrays by name; ``state`` of a later run has them.
          last: the stage has ended, so that it is due in any case.
        """
        begun = time.monotonic()
        if self._path is None or (begun < self._next and not last):
            return
        with atomic_path(self._path) as temporary, temporary.open("wb") as file:
            np.savez(file, version=VERSION, seconds=self.seconds, **state())
        ended = time.monotonic()
        self._next = ended + max(_LEAST_SECONDS, (ended - begun) / _SHARE)


class Checkpoints:
    """The files of all stages of a training, hidden in its output directory."""

    def __init__(self, directory: str | os.PathLike[str] | None) -> None:
        """Where they are; None for nowhere."""
        self._directory = None if directory is None else Path(directory)

    def of(self, stage: str) -> Checkpoint:
        """The one of a stage, such as a model's name."""
        if self._directory is None:
            return Checkpoint(None)
        return Checkpoint(self._directory / CHECKPOINTS.replace("*", stage))

    def remove(self) -> None:
        """Deletes them all."""
        for path in self._directory.glob(CHECKPOINTS) if self._directory else ():
            path.unlink()


NO_CHECKPOINTS = Checkpoints(None)


def values_of(variables: Sequence[Any]) -> dict[str, np.ndarray]:
    """The values of variables of Keras or TensorFlow, by their places in the sequence."""
    return {f"variable {number}": value.numpy() for number, value in enumerate(variables)}


def assign_values(variables: Sequence[Any], state: State) -> None:
    """Gives variables the values that ``values_of`` has saved."""
    for number, variable in enumerate(variables):
        variable.assign(state[f"variable {number}"])


def _load(path: Path) -> dict[str, np.ndarray] | None:
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            state = dict(arrays)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        logging.warning("%s cannot be read (%s); the training begins anew.", path, error)
        return None
    if state["version"] != VERSION:
        logging.warning("%s is of version %s; the training begins anew.", path, state["version"])
        return None
    return state
