"""``manifest.json``: where a result came from. A directory without one is unfinished."""

import datetime
import importlib.metadata
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfblindspots.artifacts.files import read_json
from tfblindspots.errors import InputError
from tfblindspots.version import VERSION

MANIFEST = "manifest.json"
SCHEMA = 1
_LIBRARIES = (
    "tensorflow",
    "keras",
    "tensorflow-probability",
    "tensorflow-datasets",
    "numpy",
    "scipy",
)


def build_manifest(
    kind: str,
    *,
    flags: Mapping[str, Any],
    seed: int | None,
    inputs: Mapping[str, Any],
    seconds: float,
    **content: Any,
) -> dict[str, Any]:
    """Describes a result.

    Args:
      kind: what the directory holds, such as ``"saved_model"`` or ``"adversarial_set"``.
      flags: every setting that the result depends on, by name.
      seed: of all random numbers; None when there were none.
      inputs: what was read, by role, each with its name and SHA-256 fingerprint.
      seconds: how long the work took, wall clock.
      **content: what else the kind records.

    Returns:
      A dictionary that ``write_json`` can write.
    """
    return {
        "schema": SCHEMA,
        "kind": kind,
        "version": VERSION,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "seed": seed,
        "flags": dict(flags),
        "inputs": dict(inputs),
        "libraries": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _LIBRARIES},
        },
        "machine": platform.machine(),
        **content,
    }


def read_manifest(directory: str | os.PathLike[str], kind: str) -> dict[str, Any]:
    """Reads a directory's manifest and checks that it is of ``kind``.

    Raises:
      InputError: there is no manifest (the directory is not a result, or an unfinished one), it
        belongs to another kind of result, or it was written by a newer version.
    """
    path = Path(directory) / MANIFEST
    if not path.is_file():
        raise InputError(
            f"{directory} has no {MANIFEST}; expected a finished {kind} directory. "
            "Rerun the command that makes it."
        )
    manifest = read_json(path)
    found = manifest.get("kind") if isinstance(manifest, dict) else None
    if found != kind:
        raise InputError(f"{directory} holds a {found}; expected a {kind}.")
    if manifest.get("schema", 0) > SCHEMA:
        raise InputError(
            f"{directory} was written with manifest schema {manifest['schema']}; this version "
            f"reads up to {SCHEMA}. Upgrade tfblindspots."
        )
    return manifest
