"""Files that are complete or absent, and fingerprints of what was read."""

import contextlib
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tfblindspots.errors import InputError


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a temporary path beside ``path`` that takes its name once the block succeeds.

    The block may make a file or a directory there. When the block raises, whatever it left is
    removed and ``path`` is as it was. An existing file is replaced at once; an existing directory
    is replaced in two renames, of which a crash can only leave the old one under another name.

    Args:
      path: the final path. Its parent directory is made when missing.

    Yields:
      The temporary path, hidden (its name begins with a dot), on the same file system.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.with_name(f".{final.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield temporary
        if final.is_dir():
            old = final.with_name(f".{final.name}.{uuid.uuid4().hex[:8]}.old")
            final.rename(old)
            temporary.rename(final)
            shutil.rmtree(old)
        else:
            temporary.replace(final)
    except BaseException:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
        raise


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Writes ``value`` as indented JSON, atomically. NumPy numbers and arrays become plain ones."""
    text = json.dumps(value, indent=2, default=_to_plain, allow_nan=False) + "\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Reads a JSON file.

    Raises:
      InputError: the file is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; expected a JSON file.") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} is not valid JSON ({error}).") from None


def prepare_output_directory(
    path: str | os.PathLike[str], allowed: Iterable[str] = (), *, what: str = "output_dir"
) -> Path:
    """Makes an output directory, or accepts one that holds nothing but this job's own files.

    Args:
      path: the directory.
      allowed: glob patterns of the names that an earlier, unfinished run may have left there.
      what: how the user calls the directory, for the message.

    Returns:
      The directory, which exists.

    Raises:
      InputError: it is a file, cannot be made, or holds other files.
    """
    directory = Path(path)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{what} {directory} cannot be made ({error.strerror}); name a directory that can be "
            "written."
        ) from None
    patterns = [*allowed, ".*.tmp", ".*.old"]
    foreign = sorted(
        entry.name
        for entry in directory.iterdir()
        if not any(entry.match(pattern) for pattern in patterns)
    )
    if foreign:
        raise InputError(
            f"{what} {directory} holds other files ({', '.join(foreign[:3])}"
            f"{', …' if len(foreign) > 3 else ''}); name a new or empty directory."
        )
    return directory


def fingerprint_path(path: str | os.PathLike[str], ignore: Iterable[str] = ()) -> str:
    """SHA-256 (hexadecimal) of a file, or of a directory's relative names and contents.

    Args:
      path: file or directory.
      ignore: glob patterns of relative paths to leave out of a directory's fingerprint.
    """
    root = Path(path)
    digest = hashlib.sha256()
    if root.is_file():
        digest.update(root.read_bytes())
        return digest.hexdigest()
    for entry in sorted(root.rglob("*")):
        relative = entry.relative_to(root)
        if entry.is_file() and not any(relative.match(pattern) for pattern in ignore):
            digest.update(relative.as_posix().encode())
            digest.update(hashlib.sha256(entry.read_bytes()).digest())
    return digest.hexdigest()


def fingerprint_arrays(*arrays: np.ndarray) -> str:
    """SHA-256 (hexadecimal) of arrays: their dtypes, shapes and bytes, in order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _to_plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} has no JSON form.")
