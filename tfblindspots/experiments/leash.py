"""Ties processes that a library starts for this one to it, so that none outlives it."""

import contextlib
import os
import re
import shlex
import socket
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType

_LOG = "log.txt"
# I0000 00:00:1795298884.407886 ...
_LOGGED = re.compile(r"[IWEF]\d{4} |WARNING: All log messages").match
_HOLDERS = 4096  # at most
# Systems allow a socket's path 103 characters or more. Of these 19 are for the names made here.
_LONGEST_PARENT = 84


class Leash:
    """Ends the processes that hold it, at once, when its block or this process ends, however.

    A process takes hold of it with ``hold``: a connection, which breaks when this one ends.
    """

    def __enter__(self) -> "Leash":
        """Processes can take hold."""
        # Not in the working directory, and not where TMPDIR is long either.
        long = len(os.fsencode(tempfile.gettempdir())) > _LONGEST_PARENT
        self._directory = tempfile.TemporaryDirectory(
            dir="/tmp" if long else None, ignore_cleanup_errors=True
        )
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(self._path))
        # Connections that nobody accepts break too.
        self._socket.listen(_HOLDERS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Those that hold it end."""
        self._socket.close()
        self._directory.cleanup()

    def command(self, module: str) -> str:
        """The shell command of a process that runs a module with what ``hold`` needs.

        What it writes on stderr goes into a file.
        """
        return f"{worker_command(module, str(self._path))} 2>> {shlex.quote(str(self._log))}"

    def last_words(self) -> str:
        """The last line that these processes wrote on stderr."""
        return last_line(self._log.read_bytes() if self._log.exists() else b"")

    @property
    def _log(self) -> Path:
        return Path(self._directory.name) / _LOG

    @property
    def _path(self) -> Path:
        return Path(self._directory.name) / "socket"


def hold(address: str) -> None:
    """Ends this process, at once, when that with the leash lets go of it or ends.

    Args:
      address: what ``Leash.command`` gave to this process.
    """
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)

    def watch() -> None:
        with contextlib.suppress(ConnectionError):
            connection.recv(1)
        os._exit(0)  # It did what it was to do.

    threading.Thread(target=watch, daemon=True).start()


def worker_command(module: str, argument: str) -> str:
    """The shell command of a process that runs a module; the shell becomes that process.

    Ctrl-C and SIGTERM, which often go to whole groups of processes, are left to the one that starts
    it: from the beginning, since imports take seconds.
    """
    return f"trap '' INT TERM; exec {shlex.join([sys.executable, '-m', module, argument])}"


def last_line(written: bytes) -> str:
    """The last line that says anything, what TensorFlow's C++ parts say of devices left out."""
    lines = written.decode(errors="replace").splitlines()
    return next((line for line in reversed(lines) if line.strip() and not _LOGGED(line)), "none")
