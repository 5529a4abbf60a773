"""``manifest.json``: where a result came from. A directory without one is unfinished."""

import datetime
import importlib.metadata
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfblindspots import runtime
from tfblindspots.artifacts.files import read_json
from tfblindspots.errors import InputError
from tfblindspots.version import VERSION

MANIFEST = "manifest.json"
# The newest schema of each kind of result; of those that are not named here it is 1.
SCHEMAS = {"adversarial_set": 2}
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
      A dictionary that `write_json` can write. Besides these: when and on what it ran, whether
      TensorFlow's operations were deterministic, the versions of libraries, and the most memory
      that the process has had, in MiB.
    """
    return {
        "schema": SCHEMAS.get(kind, 1),
        "kind": kind,
        "version": VERSION,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "seed": seed,
        "deterministic": runtime.is_deterministic(),
        "flags": dict(flags),
        "inputs": dict(inputs),
        "libraries": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _LIBRARIES},
        },
        "machine": platform.machine(),
        "peak_memory_mib": _peak_memory_mib(),
        **content,
    }


def _peak_memory_mib() -> int | None:
    """The most memory that this process has had so far; None on Windows, which does not tell."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10))


def read_manifest(directory: str | os.PathLike[str], kind: str) -> dict[str, Any]:
    """Reads a directory's manifest and checks that it is of ``kind``.

    Raises:
      InputError: there is no directory, or no manifest in it (it is not a result, or an unfinished
        one), the manifest belongs to another kind of result, or a newer version wrote it.
    """
    path = Path(directory) / MANIFEST
    if not path.parent.is_dir():
        raise InputError(f"{directory} does not exist; expected a finished {kind} directory.")
    if not path.is_file():
        raise InputError(
            f"{directory} has no {MANIFEST}; expected a finished {kind} directory. "
            "Rerun the command that makes it."
        )
    manifest = read_json(path)
    # A bool is an int to Python.
    if not isinstance(manifest, dict) or type(manifest.get("schema")) is not int:
        raise InputError(f"{path} is not a manifest of tfblindspots; expected that of a {kind}.")
    if manifest.get("kind") != kind:
        raise InputError(
            f"{directory} holds a result of kind {manifest.get('kind')}; expected {kind}. Name a "
            "directory of that kind."
        )
    newest = SCHEMAS.get(kind, 1)
    if manifest["schema"] > newest:
        raise InputError(
            f"{directory} was written with schema {manifest['schema']} of {kind}; this version, "
            f"{VERSION}, reads up to {newest}. Upgrade tfblindspots."
        )
    return manifest
