"""Files that are complete or absent, and fingerprints of what was read."""

import contextlib
import errno
import glob
import hashlib
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tfblindspots.errors import InputError, OutputError

# What `atomic_path` leaves behind when the process is killed: a new file that is unfinished, and a
# directory that was about to be replaced.
_TOKEN = "[0-9a-f]" * 8
_UNFINISHED = f".*.{_TOKEN}.tmp"
_REPLACED = f".*.{_TOKEN}.old"
_FREE = "Free some space there"
_ALLOW = "Make it writable"
# What to do when the system refuses to write, by its number of the reason.
_ADVICE = {
    errno.ENOSPC: _FREE,
    errno.EDQUOT: _FREE,
    errno.EFBIG: "Raise the limit on the size of files (ulimit -f)",
    errno.EROFS: _ALLOW,
    errno.EACCES: _ALLOW,
    errno.EPERM: _ALLOW,
}


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a temporary path beside ``path`` that takes its name once the block succeeds.

    The block must make a file or a directory there. When the block raises, whatever it left is
    removed and ``path`` is as it was. An existing file is replaced at once; an existing directory
    is replaced in two renames, of which a crash can only leave the old one under another name.
    Contents reach the disk before the name does, so that a power cut leaves no empty file either.

    Args:
      path: the final path. Its parent directory is made when missing; a symbolic link is followed.

    Yields:
      The temporary path, hidden (its name begins with a dot), on the same file system.

    Raises:
      OutputError: the disk is full, read-only or of others.
    """
    final = Path(path).resolve()
    token = uuid.uuid4().hex[:8]
    temporary = final.with_name(f".{final.name}.{token}.tmp")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        synchronize(temporary)
        if final.is_dir():
            old = final.with_name(f".{final.name}.{token}.old")
            final.rename(old)
            try:
                temporary.rename(final)
            except BaseException:
                old.rename(final)
                raise
            shutil.rmtree(old)
        else:
            temporary.replace(final)
        synchronize(final.parent, recursive=False)
    except BaseException as error:
        with contextlib.suppress(OSError):  # Nothing can be removed from a read-only disk either.
            _remove(temporary)
        refused = None if isinstance(error, OutputError) else _refusal(error)
        if refused is None:
            raise
        failure = OutputError(
            f"{path} cannot be written ({os.strerror(refused)}); whatever was finished before is "
            f"there. {_ADVICE[refused]}, then run the same command again."
        )
        failure.strerror = os.strerror(refused)
        raise failure from error


def to_json(value: Any) -> str:
    """The text that `write_json` writes: indented, NumPy numbers and arrays as plain ones.

    Raises:
      ValueError: a number is not finite, which JSON cannot say.
    """
    return json.dumps(value, indent=2, default=_to_plain, allow_nan=False) + "\n"


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Writes ``value`` as indented JSON, atomically. NumPy numbers and arrays become plain ones."""
    text = to_json(value)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Reads a JSON file.

    Raises:
      InputError: the file is missing, cannot be read, or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; expected a JSON file.") from None
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); expected a JSON file."
        ) from None
    # Errors of UTF-8 and JSON are among these, and so is a number of too many digits.
    except ValueError as error:
        raise InputError(
            f"{path} is not valid JSON ({error}); rerun the command that makes it."
        ) from None
    except RecursionError:
        raise InputError(
            f"{path} is nested too deep to be read; rerun the command that makes it."
        ) from None


def prepare_output_directory(
    path: str | os.PathLike[str],
    allowed: Iterable[str] = (),
    *,
    what: str = "output_dir",
    clean: bool = True,
) -> Path:
    """Makes an output directory, or accepts one that holds nothing but this job's own files.

    Args:
      path: the directory.
      allowed: glob patterns of the names that an earlier, unfinished run may have left there.
      what: how the user calls the directory, for the message.
      clean: remove temporary files of a run that was killed; not where they may be those of another
        process that is at work.

    Returns:
      The directory, which exists and can be written.

    Raises:
      InputError: it is a file, cannot be made, read or written, or holds other files.
    """
    directory = Path(path)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        entries = sorted(directory.iterdir())
    except OSError as error:
        raise InputError(
            f"{what} {directory} cannot be used ({error.strerror}); name a directory that can be "
            "written."
        ) from None
    if not os.access(directory, os.W_OK | os.X_OK):
        raise InputError(
            f"{what} {directory} cannot be written; name a directory that can be written."
        )
    patterns = [*allowed, _UNFINISHED, _REPLACED]
    foreign = [
        entry.name for entry in entries if not any(entry.match(pattern) for pattern in patterns)
    ]
    if foreign:
        raise InputError(
            f"{what} {directory} holds other files ({', '.join(foreign[:3])}"
            f"{', …' if len(foreign) > 3 else ''}); name a new or empty directory."
        )
    for entry in entries if clean else ():
        if entry.match(_UNFINISHED) or entry.match(_REPLACED):
            _tidy(entry)
    return directory


def remove_unfinished(path: str | os.PathLike[str]) -> None:
    """Removes what ``atomic_path`` left beside ``path`` when its process was killed.

    A directory that was about to be replaced, and has not been, gets its name back.

    Args:
      path: the final path; no other process may be at work on it.
    """
    final = Path(path).resolve()
    for ending in ("tmp", "old"):
        for entry in final.parent.glob(f".{glob.escape(final.name)}.{_TOKEN}.{ending}"):
            _tidy(entry)


def check_output_file(
    path: str | os.PathLike[str], own: Callable[[Path], bool], *, what: str, expected: str
) -> None:
    """Finds out, before the work for it, whether a file can be written and nothing is lost by it.

    Args:
      path: of the file.
      own: from a file that is there to whether it may be replaced.
      what: how the user calls the file, for the message.
      expected: what may be replaced, for the message.

    Raises:
      InputError: something else is there, or nothing can be written there.
    """
    final = Path(path).resolve()
    if final.exists() and not (final.is_file() and own(final)):
        raise InputError(
            f"{what} {path} is there and is no {expected}, so it is not replaced; name a new file."
        )
    try:
        with tempfile.TemporaryFile(dir=next(place for place in final.parents if place.exists())):
            pass
    except OSError as error:
        raise InputError(
            f"{what} {path} cannot be written ({error.strerror}); name a path that can be written."
        ) from None


def fingerprint_path(path: str | os.PathLike[str], ignore: Iterable[str] = ()) -> str:
    """SHA-256 (hexadecimal) of a file, or of a directory's relative names and contents.

    Args:
      path: file or directory.
      ignore: glob patterns of relative paths to leave out of a directory's fingerprint.

    Raises:
      InputError: there is nothing at ``path``.
    """
    root = Path(path)
    if root.is_file():
        return _digest_file(root).hexdigest()
    if not root.is_dir():
        raise InputError(f"{path} does not exist; expected a file or a directory.")
    patterns = tuple(ignore)
    digest = hashlib.sha256()
    for entry in sorted(root.rglob("*")):
        relative = entry.relative_to(root)
        if entry.is_file() and not any(relative.match(pattern) for pattern in patterns):
            digest.update(os.fsencode(relative.as_posix()) + b"\0")
            digest.update(_digest_file(entry).digest())
    return digest.hexdigest()


def fingerprint_arrays(*arrays: np.ndarray) -> str:
    """SHA-256 (hexadecimal) of arrays of numbers: their dtypes, shapes and bytes, in order."""
    fingerprint = Fingerprint()
    for array in arrays:
        fingerprint.begin(array.dtype, array.shape)
        fingerprint.add(array)
    return fingerprint.hexdigest()


class Fingerprint:
    """What ``fingerprint_arrays`` gives, of arrays that come part by part."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def begin(self, dtype: np.dtype, shape: tuple[int, ...]) -> None:
        """Announces the next array, of which all parts follow in their order."""
        assert not dtype.hasobject, "the bytes of objects are addresses, which change"
        self._digest.update(f"{dtype.str}{shape}".encode())

    def add(self, part: np.ndarray) -> None:
        """Adds some of the array's rows, or all of them."""
        self._digest.update(np.ascontiguousarray(part).data)

    def hexdigest(self) -> str:
        """The fingerprint of what was added so far."""
        return self._digest.hexdigest()


def _digest_file(path: Path) -> "hashlib._Hash":
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256")


def _refusal(error: BaseException) -> int | None:
    """Why the system refused to write, by its number; None where something else went wrong.

    Libraries that write by themselves, such as TensorFlow and HDF5, pass on the text alone.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno if error.errno in _ADVICE else None
    if not isinstance(error, Exception):
        return None
    return next((number for number in _ADVICE if os.strerror(number) in str(error)), None)


def _tidy(left: Path) -> None:
    """Does with a file or directory that a killed process left what it would have done."""
    final = left.with_name(left.name[1:].rsplit(".", 2)[0])
    if left.match(_REPLACED) and not final.exists():
        left.rename(final)
    else:
        _remove(left)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def synchronize(path: Path, *, recursive: bool = True) -> None:
    """Waits until a file, or a directory and what it holds, is on the disk.

    Args:
      path: of it.
      recursive: what a directory holds too, not only its names.
    """
    if os.name != "posix":
        return  # Only POSIX lets a directory, or a file opened for reading, be synchronised.
    if recursive and path.is_dir():
        for entry in path.iterdir():
            synchronize(entry)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _to_plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} has no JSON form.")
