"""Ties of processes; the engines' tests hold real workers by them."""

import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from tfblindspots.experiments.leash import Leash

PROBE = """
import os, signal, socket, sys
os.kill(os.getpid(), signal.SIGTERM)
os.kill(os.getpid(), signal.SIGINT)
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
sys.exit("deaf to signals, and connected")
"""


@pytest.mark.parametrize("parent", ["short", "long" * 60])
def test_a_process_hears_no_signal_from_its_beginning_and_is_held_wherever_tmpdir_is(
    parent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "probe.py").write_text(PROBE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    temporary = tmp_path / parent
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with Leash() as leash:
        assert subprocess.run(leash.command("probe"), shell=True, check=False).returncode == 1
        assert leash.last_words() == "deaf to signals, and connected"
        place = Path(leash._directory.name)
    assert not place.exists()


def test_the_longest_place_that_is_not_replaced_holds_a_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Path(tempfile.mkdtemp(dir="/tmp"))
    longest = place / ("x" * (84 - len(str(place)) - 1))
    longest.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(longest))
    try:
        with Leash() as leash:
            assert Path(leash._directory.name).parent == longest
            assert len(str(leash._path)) <= 103  # as macOS has it
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(leash._path))
    finally:
        longest.rmdir()
        place.rmdir()
