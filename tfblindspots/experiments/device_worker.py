"""A process that makes shards on one device, started by ``on_devices``.

It reads from a connection, whose file descriptor is its argument: a ``Work``, the device, then the
numbers of shards, each when the one before is made. It writes there the number of images of the
shard that are done, now and then; None when all are; or an error of the user's, and ends.
"""

import os
import queue
import sys
import threading
from multiprocessing.connection import Connection
from typing import Any

from tfblindspots import runtime
from tfblindspots.errors import InputError


def serve(pipe: Connection) -> None:
    """Does what comes through the connection; the process ends at once when that breaks."""
    came: queue.Queue[Any] = queue.Queue()

    def read() -> None:
        try:
            while True:
                came.put(pipe.recv())
        except (EOFError, OSError):
            os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    try:
        work, device = came.get()
        runtime.see_only(device)
        shards = work.open()
        while True:
            shards.make(came.get(), pipe.send)
            pipe.send(None)
    except (InputError, OSError) as error:
        pipe.send(InputError(str(error)))


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
