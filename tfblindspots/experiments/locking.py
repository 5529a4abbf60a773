"""A directory that one process works in, or several that share its shards out among them."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from absl import logging

from tfblindspots.errors import InputError

LOCK = ".lock"
# The byte that stands for what only one process at a time does, whichever shards it has locked.
_DOOR = 1 << 62
# What systems say of a file that another process has locked.
_TAKEN = (errno.EACCES, errno.EAGAIN)


class Lock:
    """What a process has locked, of which it may ask for more."""

    def __init__(self, file: IO[bytes] | None, whole: bool) -> None:
        """``file`` is the open one with the lock; None where there is none."""
        self._file = file
        self._whole = whole

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Waits until no other process that has locked shards is in such a block."""
        if self._file is None or self._whole:
            yield
            return
        import fcntl

        # Not by another file: closing that would give up all locks of this process.
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, _DOOR)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _DOOR)


@contextlib.contextmanager
def locked(
    directory: Path, shards: range | None = None, *, called: str = "output_dir"
) -> Iterator[Lock]:
    """Keeps other processes out of a directory, or of some shards of it, for the block.

    The lock is the system's, on bytes of a hidden file: byte n stands for shard n. It ends with the
    process, however that ends, and holds over NFS 4 too. Whoever has locked the whole directory
    removes the file.

    Args:
      directory: exists and can be written.
      shards: numbers of the shards, without a gap; None for all of the directory.
      called: how the user calls the directory, for the message.

    Yields:
      The lock.

    Raises:
      InputError: another process has locked it, or some of these shards.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield Lock(None, shards is None)
        return
    start, length = (shards.start, len(shards)) if shards is not None else (0, 0)
    path = directory / LOCK
    while True:
        try:
            file = path.open("ab")
        except OSError as error:
            raise InputError(
                f"{called} {directory} cannot be written ({error.strerror}); name a directory that "
                "can be written."
            ) from None
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)
        except OSError as error:
            file.close()
            if error.errno in _TAKEN:
                part = "" if shards is None else f", or shards {shards.start}:{shards.stop} of it,"
                raise InputError(
                    f"{called} {directory}{part} is in use by another process; wait until that has "
                    "ended, or name a new directory."
                ) from None
            # Not every file system knows locks.
            logging.warning(
                "%s cannot be locked (%s); see to it that no other process writes there.",
                directory,
                error.strerror,
            )
            yield Lock(None, shards is None)
            return
        try:
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                break
        except FileNotFoundError:
            pass
        file.close()  # It was removed between the two calls, by who had it locked.
    try:
        yield Lock(file, shards is None)
    finally:
        if shards is None:
            # From a disk that has become read-only nothing can be removed.
            with contextlib.suppress(OSError):
                path.unlink()
        file.close()
