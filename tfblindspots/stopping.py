"""Ending when the system asks for it (SIGTERM) as cleanly as after Ctrl-C.

Schedulers, containers and machines that shut down send SIGTERM and kill some seconds later. A
script turns it into an exception; work that ends at a better moment of its own puts that off.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from absl import logging


class Stopped(BaseException):
    """The system asked this process to end. Like ``KeyboardInterrupt`` no error of anything."""


class Request:
    """Whether the system has asked this process to end since ``finish_first`` began."""

    def __init__(self) -> None:
        """Nothing is asked yet."""
        self.asked = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        logging.info("SIGTERM: ends after the piece in work; a second one ends it at once.")
        signal.signal(signal.SIGTERM, _stop)


@contextmanager
def stop_on_sigterm() -> Iterator[None]:
    """Raises ``Stopped`` where the block is when SIGTERM comes; a second one ends the process.

    Outside of the main thread, which alone can handle signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def finish_first() -> Iterator[Request]:
    """Inside of ``stop_on_sigterm``, puts a first SIGTERM off until the block has ended.

    The block works piece by piece and leaves between two of them once ``asked`` is true. A second
    SIGTERM, or Ctrl-C, ends it at once, and a third the process.

    Yields:
      What the block is to look at.

    Raises:
      Stopped: at the end of the block, when it was asked for in the meantime.
    """
    request = Request()
    if signal.getsignal(signal.SIGTERM) is not _stop:
        # Nobody turns signals into exceptions here: a library leaves them to their owner.
        yield request
        return
    signal.signal(signal.SIGTERM, request._note)
    try:
        yield request
    finally:
        if not request.asked:
            signal.signal(signal.SIGTERM, _stop)
    if request.asked:
        _stop()


def _stop(number: int = signal.SIGTERM, frame: FrameType | None = None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise Stopped
