"""One process at a time works in a directory, or several on different shards of it."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tfblindspots.errors import InputError
from tfblindspots.experiments.locking import LOCK, locked

# What the module asks of the system, asked without it.
_HOLD = """
import fcntl, sys
file = open(sys.argv[1], "ab")
fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, int(sys.argv[3]), int(sys.argv[2]))
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def other_process(directory: Path, shards: range = range(0)) -> Iterator[Callable[[], None]]:
    """Another process holds the lock of shards, without any of everything; yields what kills it."""
    numbers = map(str, (shards.start, len(shards)))
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(directory / LOCK), *numbers],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def kill() -> None:
            process.kill()
            process.wait()

        assert process.stdout
        assert process.stdout.readline() == "locked\n"
        try:
            yield kill
        finally:
            kill()


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with other_process(tmp_path) as kill:
        with pytest.raises(InputError) as error, locked(tmp_path):
            pytest.fail("two processes at once")
        assert str(error.value) == (
            f"output_dir {tmp_path} is in use by another process; wait until that has ended, or "
            "name a new directory."
        )
        with (
            pytest.raises(InputError, match=r", or shards 2:4 of it, is in use by another"),
            locked(tmp_path, range(2, 4)),
        ):
            pytest.fail("two processes at once")
        kill()
        with locked(tmp_path):
            assert (tmp_path / LOCK).exists()
    assert not list(tmp_path.iterdir())


def test_others_may_have_other_shards(tmp_path: Path) -> None:
    with other_process(tmp_path, range(2, 4)):
        for shards in (range(2), range(4, 9)):
            with locked(tmp_path, shards):
                pass
        for overlapping in (range(1, 3), range(3, 4), range(9), None):
            with pytest.raises(InputError, match="in use"), locked(tmp_path, overlapping):
                pytest.fail("two processes at once")


def test_a_lock_file_that_was_removed_meanwhile_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who had it locked removes it: at first nothing is there then, later another one's file."""
    lockf, files = fcntl.lockf, []

    def lock_what_was_removed(file: IO[bytes], *arguments: int) -> None:
        lockf(file, *arguments)
        files.append(file)
        if len(files) <= 2:
            (tmp_path / LOCK).unlink()
        if len(files) == 2:
            (tmp_path / LOCK).touch()

    monkeypatch.setattr("fcntl.lockf", lock_what_was_removed)
    with locked(tmp_path):
        assert [file.closed for file in files] == [True, True, False]
        assert os.path.samestat(os.fstat(files[-1].fileno()), (tmp_path / LOCK).stat())
    assert not list(tmp_path.iterdir())


def test_a_directory_that_cannot_be_locked_is_used_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.lockf", refuse)
    with locked(tmp_path):
        pass
    assert caplog.messages == [
        f"{tmp_path} cannot be locked (Operation not supported); see to it that no other process "
        "writes there."
    ]
