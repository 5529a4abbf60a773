"""Runs the blocks of a page in their order, as a reader would, and compares what they print."""

import contextlib
import io
import math
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.docs.pages import REPOSITORY, SLOW, WITHOUT_PACKAGE, Block
from tests.elsewhere import run_elsewhere
from tests.scripts.conftest import call_script_in_process

_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
_TOKEN = re.compile(
    rf"(?P<number>{_NUMBER.pattern})|(?P<gap>\s*\.\.\.\s*)|(?P<rule>-{{3,}})|(?P<space>\s+)|(?P<other>.)"
)
# Other processors round otherwise, and training multiplies that.
_FACTOR = 2.0


def run_page(page_blocks: Sequence[Block], directory: Path, *, as_written: bool) -> None:
    """Runs a page in ``directory``, which gets links to what a clone holds.

    Args:
      page_blocks: all blocks of one page.
      directory: empty; the working directory of all blocks.
      as_written: run commands by a shell, and the slow ones too; else each script runs in this
        process, which has TensorFlow already.

    Raises:
      AssertionError: a block fails, or prints something else than the page shows.
    """
    for name in ("docs", "saved_models", "scripts"):
        (directory / name).symlink_to(REPOSITORY / name)
    names: dict[str, Any] = {}
    printed: dict[Block, str] = {}
    apart = []
    shown = []
    before: Block | None = None
    for block in page_blocks:
        if block.language == "output":
            assert before is not None, f"{block.place} shows the output of nothing"
            shown.append((before, block))
            continue
        if block.elsewhere is not None or (block.note == SLOW and not as_written):
            continue
        before = block
        if block.note == WITHOUT_PACKAGE:
            apart.append(block)
        elif block.language == "python":
            printed[block] = _run_python(block, names)
        elif block.language == "bash":
            printed[block] = (_run_shell if as_written else _run_commands)(block, directory)
    if apart:  # In one process, for to start one takes seconds.
        lines = run_elsewhere([block.code for block in apart], directory)
        printed |= {block: "\n".join(lines[i]) for i, block in enumerate(apart)}
    for block, output in shown:
        difference = differs(output.code, printed[block])
        assert difference is None, f"{output.place}: {difference}\nprinted:\n{printed[block]}"


def differs(shown: str, printed: str) -> str | None:
    """What is different about ``printed``, or None.

    ``...`` stands for any text, a number for any between its half and its double, white space for
    any other.
    """
    pattern = ""
    for token in _TOKEN.finditer(shown.strip()):
        if token["number"]:
            pattern += f"({_NUMBER.pattern})"
        elif token["gap"]:
            pattern += ".*?"
        elif token["rule"]:  # as wide as a column's widest number
            pattern += "-{3,}"
        else:
            pattern += r"\s+" if token["space"] else re.escape(token["other"])
    found = re.fullmatch(pattern, printed.strip(), flags=re.DOTALL)
    if found is None:
        return "it prints other words than are shown"
    for a, b in zip(_NUMBER.findall(shown), found.groups(), strict=True):
        expected, actual = (float(number.replace(",", "")) for number in (a, b))
        if not math.isclose(expected, actual, rel_tol=1 - 1 / _FACTOR):
            return f"it prints {b} where {a} is shown"
    return None


def _run_python(block: Block, names: dict[str, Any]) -> str:
    code = compile("\n" * (block.line - 1) + block.code, str(block.page), "exec")
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(code, names)
    return out.getvalue()


def _run_commands(block: Block, directory: Path) -> str:
    """Runs scripts in this process, all other commands by a shell."""
    printed = ""
    for line in block.code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["python"] and words[1].startswith("scripts/"):
            with contextlib.redirect_stdout(io.StringIO()) as out:
                status = call_script_in_process(Path(words[1]).stem, words[2:])
            assert status == 0, f"{block.place}: {line} ended with status {status}"
            printed += out.getvalue()
        elif words:
            printed += _run_shell(block._replace(code=line), directory)
    return printed


def _run_shell(block: Block, directory: Path) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.code],
        cwd=directory,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": path},
        check=False,
    )
    assert result.returncode == 0, f"{block.place} fails:\n{result.stderr}"
    return result.stdout
