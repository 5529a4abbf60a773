"""Makes shards on several devices: one process a device, each taking the next missing shard."""

import contextlib
import dataclasses
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import wait
from typing import Any

from absl import logging

from tfblindspots.errors import InputError
from tfblindspots.experiments.leash import last_line, worker_command
from tfblindspots.experiments.shards import Shards
from tfblindspots.experiments.workers import Inputs, Work
from tfblindspots.stopping import finish_first

_WORKER = "tfblindspots.experiments.device_worker"
_LOOK_EVERY = 0.2  # seconds


@dataclasses.dataclass(frozen=True)
class DeviceEngine:
    """An ``Engine`` of one process a device, which this one starts, feeds and ends.

    Attributes:
      inputs: how each of them loads the model and the images.
      devices: TensorFlow's names of them, such as ``"GPU:0"``.
    """

    inputs: Inputs
    devices: tuple[str, ...]

    def __call__(
        self, shards: Shards, numbers: Sequence[int], progress: Callable[[int], object]
    ) -> None:
        """Makes shards, in any order; arguments as of every ``Engine``.

        When the system asks the process to end (SIGTERM), the shards in work are made first.

        Raises:
          InputError: a process met one, or ended by itself.
          Stopped: the process was asked to end.
        """
        work = Work.of(shards, self.inputs)
        left = list(numbers)
        processes: list[_Process] = []
        logging.info("One process each for %s.", ", ".join(self.devices[: len(numbers)]))
        try:
            with finish_first() as request:
                for device in self.devices[: len(numbers)]:
                    processes.append(_Process(work, device))
                    processes[-1].begin(left.pop(0))
                done = 0
                while busy := {process.pipe: process for process in processes if process.busy}:
                    for pipe in wait(list(busy), timeout=_LOOK_EVERY):
                        process = busy[pipe]  # type: ignore[index] # only those were asked for
                        try:
                            number = process.read()
                        except _LostError:
                            if not request.asked:
                                raise
                            # The system ends all processes, it seems.
                            return
                        if number is not None:
                            done += shards.size(number)
                            if left and not request.asked:
                                process.begin(left.pop(0))
                    progress(done + sum(process.done for process in processes))
        finally:
            for process in processes:
                process.end()


class _LostError(InputError):
    """A process has ended by itself."""


class _Process:
    """A process with a device of its own, as this one sees it."""

    def __init__(self, work: Work, device: str) -> None:
        """Starts it."""
        self.busy = False
        self.done = 0  # images of the shard in work
        self._device = device
        self._shard = -1
        self.pipe, theirs = Pipe()
        # TensorFlow's greetings go there, which are not for the user's terminal.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 # ``end`` closes it.
        self._process = subprocess.Popen(
            worker_command(_WORKER, str(theirs.fileno())),
            shell=True,
            stdin=subprocess.DEVNULL,
            stderr=self._stderr,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        self._send((work, device))

    def begin(self, shard: int) -> None:
        """Has it make a shard."""
        self.busy, self._shard = True, shard
        self._send(shard)

    def _send(self, what: Any) -> None:
        # ``read`` tells of a process that has ended.
        with contextlib.suppress(OSError):
            self.pipe.send(what)

    def read(self) -> int | None:
        """Reads what it says; the number of its shard when that is made.

        Raises:
          InputError: it met one; ``_LostError`` when it ended by itself.
        """
        try:
            said = self.pipe.recv()
        except (EOFError, OSError):
            status = self._process.wait()
            self._stderr.seek(0)
            raise _LostError(
                f"the process of {self._device} has ended by itself (exit status "
                f"{status}); out of memory, perhaps: take a smaller --batch_size or fewer "
                f"--devices. Last words: {last_line(self._stderr.read())}"
            ) from None
        if isinstance(said, BaseException):
            raise said
        if said is not None:
            self.done = said
            return None
        self.busy, self.done = False, 0
        return self._shard

    def end(self) -> None:
        """Ends it at once."""
        self.pipe.close()
        self._process.kill()
        self._process.wait()
        self._stderr.close()
