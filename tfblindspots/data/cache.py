"""What took a pass over all the data, kept on disk for the next process; safe to delete."""

import contextlib
import hashlib
import os
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from tfblindspots.artifacts import atomic_path
from tfblindspots.version import VERSION

Arrays = dict[str, np.ndarray]

# A file that was begun so long ago, in seconds, is of a process that was killed.
_ABANDONED = 24 * 3600


def cache_directory() -> Path:
    """``$TFBLINDSPOTS_CACHE_DIR``, else ``tfblindspots`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    own = os.environ.get("TFBLINDSPOTS_CACHE_DIR")
    if own:
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "tfblindspots"


def key_of_files(paths: Iterable[str | os.PathLike[str]], *settings: object) -> str:
    """What changes when one of the files does, or what is made of them: hexadecimal.

    Args:
      paths: files, in the order that matters. Of each the absolute path, the size and the time of
        its last modification count; one that is not there counts as such.
      *settings: what else the result depends on, besides the versions of this package and of
        TensorFlow; each has a ``repr`` that says all of it, or is an array.
    """
    digest = hashlib.sha256(repr((VERSION, tf.__version__)).encode())
    for setting in settings:
        if isinstance(setting, np.ndarray):
            digest.update(f"{setting.dtype.str}{setting.shape}".encode() + setting.tobytes())
        else:
            digest.update(repr(setting).encode())
        digest.update(b"\0")
    for path in paths:
        name = os.path.abspath(path)  # noqa: PTH100 - a million files: no Path objects
        try:
            found = os.stat(name)  # noqa: PTH116
            state = (found.st_size, found.st_mtime_ns)
        except OSError:
            state = (-1, -1)
        digest.update(os.fsencode(name) + f"\0{state}\0".encode())
    return digest.hexdigest()


def cached(
    what: str, key: str, compute: Callable[[], Arrays], valid: Callable[[Arrays], bool]
) -> Arrays:
    """What an earlier process computed, or computes it and keeps it.

    Args:
      what: the name of the kind, a part of the file's.
      key: see ``key_of_files``.
      compute: gives the arrays, none of them of objects.
      valid: whether arrays that were read are what ``compute`` gives.

    Returns:
      The arrays. A file of the cache that is damaged, cut off or of other data is computed anew;
      a cache that cannot be written only costs the time.
    """
    path = cache_directory() / f"{what}-{key}.npz"
    try:
        # np.load leaves a path open when it turns out to be no archive.
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            arrays = {name: archive[name] for name in getattr(archive, "files", ())}
        if str(arrays.pop("key")) == key and valid(arrays):
            return arrays
        logging.warning("%s is not what its name says; it is computed anew.", path)
    except FileNotFoundError:
        pass
    # What is no archive, or one whose checksums or headers are wrong, ends in any of these.
    except (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        logging.warning("%s cannot be read (%s); it is computed anew.", path, error)
    arrays = compute()
    contents: dict[str, Any] = {"key": np.array(key), **arrays}
    _remove_left_over(path.parent)
    try:
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **contents)
    except OSError as error:
        logging.warning(
            "%s cannot be written (%s), so that the next start takes as long as this one; set "
            "TFBLINDSPOTS_CACHE_DIR to a directory that can be written.",
            path,
            error.strerror,
        )
    return arrays


def _remove_left_over(directory: Path) -> None:
    """Removes what processes that were killed while they wrote left there."""
    for entry in directory.glob(".*.npz.*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - entry.stat().st_mtime > _ABANDONED:
                entry.unlink()
