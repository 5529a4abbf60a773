"""A disk that is full, read-only or limited, as the kernel says it: one line, and nothing lost."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tfblindspots.artifacts import atomic_path, prepare_output_directory
from tfblindspots.errors import OutputError

# In namespaces of its own a user may mount what the system never sees.
_ALONE = ["unshare", "--user", "--map-root-user", "--mount"]
_PROGRAM = """
import resource, subprocess, sys
from pathlib import Path
from tfblindspots.artifacts import atomic_path, write_json

disk = Path(sys.argv[1])

def mount(*options):
    subprocess.run(["mount", *options, str(disk)], check=True)

def attempt(size, name="file"):
    try:
        with atomic_path(disk / name) as temporary:
            temporary.write_bytes(bytes(size))
    except OSError as error:
        print(f"{type(error).__name__}: {error}")
    print(sorted((path.name, path.stat().st_size) for path in disk.iterdir()))

mount("-t", "tmpfs", "-o", "size=64k", "none")
attempt(20_000)
attempt(100_000)
mount("-o", "remount,size=1m")
attempt(100_000)
mount("-o", "remount,ro")
attempt(10)
attempt(10, "new folder/file")
mount("-o", "remount,rw")
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
attempt(60_000)
attempt(10)
"""


def _can_mount() -> bool:
    tool = shutil.which("unshare")
    return bool(tool) and not subprocess.run([*_ALONE, "true"], capture_output=True).returncode


@pytest.mark.skipif(not _can_mount(), reason="this system gives users no mount namespaces")
def test_files_stay_whole_on_a_disk_that_refuses(tmp_path: Path) -> None:
    result = subprocess.run(
        [*_ALONE, sys.executable, "-c", _PROGRAM, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr

    def refused(why: str, what_to_do: str, name: str = "file") -> str:
        return (
            f"OutputError: {tmp_path / name} cannot be written ({why}); whatever was finished "
            f"before is there. {what_to_do}, then run the same command again."
        )

    assert result.stdout.splitlines() == [
        "[('file', 20000)]",
        refused("No space left on device", "Free some space there"),
        "[('file', 20000)]",
        "[('file', 100000)]",
        refused("Read-only file system", "Make it writable"),
        "[('file', 100000)]",
        refused("Read-only file system", "Make it writable", "new folder/file"),
        "[('file', 100000)]",
        refused("File too large", "Raise the limit on the size of files (ulimit -f)"),
        "[('file', 100000)]",
        "[('file', 10)]",
    ]


def test_libraries_that_pass_on_the_text_alone_are_understood(tmp_path: Path) -> None:
    message = r"file cannot be written \(No space left on device\).*Free some space there"
    with pytest.raises(OutputError, match=message), atomic_path(tmp_path / "file"):
        raise RuntimeError("HDF5: write failed, error message = 'No space left on device'")
    with pytest.raises(ZeroDivisionError), atomic_path(tmp_path / "file"):
        raise ZeroDivisionError
    assert not any(tmp_path.iterdir())


def test_a_directory_that_was_about_to_be_replaced_gets_its_name_back(tmp_path: Path) -> None:
    for name in (".kept.0123abcd.old", ".gone.0123abcd.old", "kept", ".kept.4567cdef.tmp"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "from").write_text(name)
    prepare_output_directory(tmp_path, ["kept", "gone"])
    found = {path.name: (path / "from").read_text() for path in tmp_path.iterdir()}
    assert found == {"kept": "kept", "gone": ".gone.0123abcd.old"}
