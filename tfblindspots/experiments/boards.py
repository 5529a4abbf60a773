"""Directories that TensorBoard reads: each one run, of one job, whole or made again."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tfblindspots.artifacts import (
    MANIFEST,
    build_manifest,
    prepare_output_directory,
    read_manifest,
    write_json,
)
from tfblindspots.experiments.jobs import CLAIM, Job
from tfblindspots.reports.projector import CONFIG, METADATA, SPRITE, VECTORS
from tfblindspots.reports.tensorboard import EVENTS, require_tensorboard

KIND = "tensorboard"
_CALLED = "tensorboard_dir"
# Runs within a training's, as Keras names them: the same curve of both is one chart.
TRAIN, TEST = "train", "test"
_FILES = (EVENTS, CONFIG, METADATA, SPRITE, VECTORS, TRAIN, TEST)


def check_board(directory: str | os.PathLike[str]) -> None:
    """Finds out before any work what would stop ``claim_board`` after it.

    Raises:
      InputError: TensorBoard is not installed; the directory holds something else.
    """
    require_tensorboard()
    place = Path(directory)
    if (place / MANIFEST).is_file():
        read_manifest(place, KIND)
    elif place.exists():
        prepare_output_directory(place, (CLAIM, *_FILES), what=_CALLED)


@contextlib.contextmanager
def claim_board(
    directory: str | os.PathLike[str], flags: Mapping[str, Any], inputs: Mapping[str, Any]
) -> Iterator[Path | None]:
    """Makes a directory the TensorBoard run of a job, until the block has filled it.

    Args:
      directory: new, empty, or this job's.
      flags: as of a ``Job``.
      inputs: likewise.

    Yields:
      The directory, without what an interrupted run has left there; None where all is there.

    Raises:
      InputError: as ``check_board``, or the directory is another job's.
    """
    check_board(directory)
    job = Job(Path(directory), KIND, flags, inputs, called=_CALLED)
    if job.finished():
        yield None
        return
    start = time.perf_counter()
    with job.claim(allowed=_FILES):
        for pattern in _FILES:
            for entry in job.directory.glob(pattern):
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        yield job.directory
        seconds = time.perf_counter() - start
        manifest = build_manifest(
            KIND, flags=flags, seed=flags.get("seed"), inputs=inputs, seconds=seconds
        )
        write_json(job.directory / MANIFEST, manifest)
