"""Output directories that belong to one job: what a rerun may finish, skip, or must refuse.

A directory with a manifest is finished. While a job that takes several steps is under way, a hidden
file beside its results says which settings and inputs they are of.
"""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfblindspots import runtime
from tfblindspots.artifacts import (
    MANIFEST,
    prepare_output_directory,
    read_json,
    read_manifest,
    write_json,
)
from tfblindspots.errors import InputError
from tfblindspots.experiments.locking import LOCK, locked

CLAIM = ".job.json"


class Stopwatch:
    """The seconds that a job has taken over all its runs, interrupted ones included."""

    def __init__(self, job: "Job", notes: Mapping[str, Any]) -> None:
        """Goes on from what ``save`` left in the notes of an earlier run."""
        self._job = job
        self._before = notes.get("seconds", 0.0)
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Wall clock."""
        return self._before + time.perf_counter() - self._start

    def save(self) -> None:
        """Notes the time for the runs that follow."""
        self._job.note({"seconds": self.seconds})


@dataclass(frozen=True)
class Job:
    """What a result depends on.

    Attributes:
      directory: where the result goes.
      kind: of the result's manifest, such as ``"adversarial_set"``.
      flags: every setting that the result depends on, by name; plain JSON values.
      inputs: what is read, by role, each with its name and SHA-256 fingerprint.
      called: how the user calls the directory, for messages.
    """

    directory: Path
    kind: str
    flags: Mapping[str, Any]
    inputs: Mapping[str, Mapping[str, Any]]
    called: str = "output_dir"

    def finished(self, manifest_in: str = ".", parts: Sequence[str] = ()) -> dict[str, Any] | None:
        """The manifest of this job's result; None while it is not finished.

        Args:
          manifest_in: where in the directory this kind of result keeps its manifest.
          parts: names of files that belong to the result, besides those that a manifest names.

        Raises:
          InputError: the directory holds another kind of result, one of other settings, or one of
            which a file is gone.
        """
        place = self.directory / manifest_in
        if not (place / MANIFEST).is_file():
            return None
        manifest = read_manifest(place, self.kind)
        self.require_same(manifest)
        for name in (*parts, *manifest.get("shards", ()), *manifest.get("files", ())):
            if not (self.directory / name).exists():
                raise InputError(
                    f"{self.called} {self.directory} held a finished result, but its file {name} "
                    "is gone; delete the directory to make it again, or name another."
                )
        return manifest

    @contextlib.contextmanager
    def claim(
        self,
        allowed: Sequence[str] = (),
        shards: range | None = None,
        begin: Callable[[], object] = lambda: None,
    ) -> Iterator[dict[str, Any]]:
        """Makes the directory this job's until the block, which writes the result, has succeeded.

        No other process can claim it meanwhile. When the block raises before it has written
        anything, the directory is as it was.

        Args:
          allowed: glob patterns of what an interrupted run of this job may have left there.
          shards: the block makes these shards only, and other processes may make others at the same
            time; the directory stays unfinished.
          begin: called before the block, by one process at a time.

        Yields:
          Notes for the runs that follow after an interruption: a dictionary that ``note`` saves.

        Raises:
          InputError: the directory holds other files, or an unfinished job of other settings, or
            another process has claimed it, or finished it a moment ago.
        """
        existed = self.directory.exists()
        # Nothing there is touched before the lock is had.
        self._check(allowed, clean=False)
        try:
            with locked(self.directory, shards, called=self.called) as lock:
                with lock.alone():
                    notes = self._check(allowed, clean=shards is None)
                    if notes is None:
                        notes = {}
                        self.note(notes)
                    begin()
                try:
                    yield notes
                    if shards is None:
                        # A result that replaces the whole directory takes the file with it.
                        (self.directory / CLAIM).unlink(missing_ok=True)
                except BaseException:
                    # Not where the disk has become read-only, which is what is raised.
                    with contextlib.suppress(OSError):
                        names = {entry.name for entry in self.directory.iterdir()}
                        if shards is None and names == {CLAIM, LOCK}:
                            (self.directory / CLAIM).unlink()
                    raise
        finally:
            if not existed and not any(self.directory.iterdir()):
                self.directory.rmdir()

    def _check(self, allowed: Sequence[str], clean: bool) -> dict[str, Any] | None:
        """The notes of an unfinished run of this job; None where the directory is empty."""
        if (self.directory / MANIFEST).exists():
            raise InputError(
                f"{self.called} {self.directory} has just been finished by another process; run "
                "the same command again to see the result."
            )
        claim = self.directory / CLAIM
        record = read_json(claim) if claim.is_file() else None
        if record is not None:
            self.require_same(record)
        patterns = [LOCK] if record is None else [LOCK, CLAIM, *allowed]
        try:
            prepare_output_directory(self.directory, patterns, what=self.called, clean=clean)
        except InputError:
            # Another process may have begun the job in between, or even ended it.
            if record is None and (claim.is_file() or (self.directory / MANIFEST).exists()):
                return self._check(allowed, clean)
            raise
        return None if record is None else dict(record["notes"])

    def note(self, notes: Mapping[str, Any]) -> None:
        """Saves notes for the runs that follow should this one be interrupted."""
        write_json(self.directory / CLAIM, {**self._record, "notes": dict(notes)})

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hexadecimal) of all that the result depends on."""
        return hashlib.sha256(json.dumps(self._record, sort_keys=True).encode()).hexdigest()

    @property
    def _record(self) -> dict[str, Any]:
        return {
            "flags": dict(self.flags),
            "deterministic": runtime.is_deterministic(),
            "inputs": dict(self.inputs),
        }

    def require_same(self, found: Mapping[str, Any]) -> None:
        """Compares settings and inputs.

        Args:
          found: the manifest of a finished job, or what an unfinished one has left.

        Raises:
          InputError: they differ; it says in what.
        """
        differences = [
            f"--{name}={found['flags'].get(name)} there, {value} here"
            for name, value in json.loads(json.dumps(dict(self.flags))).items()
            if found["flags"].get(name) != value
        ]
        # Results of versions that did not know the flag were made without it.
        there, here = found.get("deterministic", False), runtime.is_deterministic()
        if there != here:
            differences.append(f"--deterministic={there} there, {here} here")
        differences += [
            f"another {role} ({found['inputs'].get(role, {}).get('name')} there, "
            f"{given['name']} here)"
            for role, given in self.inputs.items()
            if found["inputs"].get(role, {}).get("fingerprint") != given["fingerprint"]
        ]
        if differences:
            raise InputError(
                f"{self.called} {self.directory} belongs to a run with other settings "
                f"({'; '.join(differences)}); repeat those or name a new directory."
            )
