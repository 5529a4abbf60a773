"""Ties processes that a library starts for this one to it: none outlives the other unseen."""

import os
import shlex
import signal
import sys
import tempfile
import threading
from multiprocessing.connection import Client, Connection, Listener, wait
from pathlib import Path
from types import TracebackType

_LOG = "log.txt"


class Leash:
    """Ends the processes that hold it, at once, when its block or this process ends, however.

    A process takes hold of it with ``hold``. Its connection breaks when either of the two ends.
    """

    def __enter__(self) -> "Leash":
        """Processes can take hold."""
        # Here rather than in the working directory: a socket's path may have 107 characters.
        self._directory = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._listener = Listener(str(Path(self._directory.name) / "socket"), "AF_UNIX")
        self._held: list[Connection] = []
        self._ended = False
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Those that hold it end."""
        self._ended = True
        self._listener.close()
        for connection in self._held:
            connection.close()
        self._directory.cleanup()

    def command(self, module: str) -> str:
        """The shell command of a process that runs a module with what ``hold`` needs.

        The shell becomes that process, and what it writes on stderr goes into a file.
        """
        words = [sys.executable, "-m", module, str(self._listener.address)]
        return f"exec {shlex.join(words)} 2>> {shlex.quote(str(self._log))}"

    def lost(self) -> bool:
        """Whether a process that held it has ended."""
        return bool(wait(list(self._held), timeout=0))

    def last_words(self) -> str:
        """The last line that these processes wrote on stderr."""
        return last_line(self._log.read_bytes() if self._log.exists() else b"")

    @property
    def _log(self) -> Path:
        return Path(self._directory.name) / _LOG

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except OSError:
                return  # It was closed.
            self._held.append(connection)
            if self._ended:
                connection.close()


def hold(address: str) -> None:
    """Ends this process, at once, when that with the leash lets go of it or ends.

    Signals that go to a whole group of processes, as Ctrl-C does, are left to the other one.

    Args:
      address: what ``Leash.command`` gave to this process.
    """
    ignore_signals()
    connection = Client(address, "AF_UNIX")

    def watch() -> None:
        wait([connection])
        os._exit(0)  # It did what it was to do.

    threading.Thread(target=watch, daemon=True).start()


def ignore_signals() -> None:
    """Leaves Ctrl-C and SIGTERM, which often go to whole groups of processes, to another one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def last_line(written: bytes) -> str:
    """The last line that says anything."""
    lines = written.decode(errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "none")
