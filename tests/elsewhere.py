"""A Python that has TensorFlow, TensorFlow Datasets and NumPy, but not this package."""

import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

# Without ``site`` no .pth file leads to a package that is installed to be edited, and -I keeps the
# working directory and PYTHONPATH out; an ordinary installation lies where all others do.
_START = """
import importlib.util, sys
sys.path += {packages!r}
if importlib.util.find_spec("tfblindspots"):
    assert "site-packages" in importlib.util.find_spec("tfblindspots").origin
    sys.modules["tfblindspots"] = None  # Importing it raises.
"""
_BLOCK = """
print({separator!r})
exec(compile({code!r}, "block {number}", "exec"), {{"__name__": "__main__"}})
"""
_SEPARATOR = "-" * 70


def run_elsewhere(blocks: Sequence[str], directory: Path) -> list[list[str]]:
    """Runs pieces of Python, each by itself, in one fresh process.

    Args:
      blocks: the pieces.
      directory: in which they run.

    Returns:
      The lines that each prints.
    """
    paths = sysconfig.get_paths()
    code = _START.format(packages=sorted({paths["purelib"], paths["platlib"]}))
    for number, block in enumerate(blocks):
        code += _BLOCK.format(separator=_SEPARATOR, code=block, number=number)
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return [part.splitlines() for part in result.stdout.split(f"{_SEPARATOR}\n")[1:]]
