"""A verification as a file for programs: where it may go, and what is in it."""

import dataclasses
import os
from pathlib import Path
from typing import Any

from tfblindspots.artifacts import check_output_file, read_json, write_json
from tfblindspots.errors import InputError
from tfblindspots.experiments.verification import Verification


def check_verification_path(
    path: str | os.PathLike[str], adversarial_set: str | os.PathLike[str]
) -> None:
    """Finds out, before the verification, whether ``write_verification`` harms anything.

    Args:
      path: of the file.
      adversarial_set: the directory to be verified.

    Raises:
      InputError: the path lies in the set's directory, holds something that is no verification, or
        cannot be written.
    """
    if Path(path).resolve().is_relative_to(Path(adversarial_set).resolve()):
        raise InputError(
            f"--json {path} lies in the set to be verified, {adversarial_set}; name a file outside "
            "of it."
        )
    check_output_file(path, _is_verification, what="--json", expected="earlier verification")


def write_verification(path: str | os.PathLike[str], found: Verification) -> None:
    """Writes what a verification found as JSON: its fields, and ``holds``."""
    write_json(path, _fields(found))


def _fields(found: Verification) -> dict[str, Any]:
    return {"holds": found.holds, **dataclasses.asdict(found)}


def _is_verification(path: Path) -> bool:
    try:
        found = read_json(path)
    except InputError:
        return False
    return isinstance(found, dict) and found.keys() == _fields(Verification((), 0, 0.0)).keys()
