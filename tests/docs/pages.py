"""The pages of documentation, cut into the blocks that they tell their readers to run.

A fenced block of ``bash`` or ``python`` is run; one of ``output`` is what the block before it
prints. A comment in the line before a block, which no reader sees, says what is special about it:

- ``<!-- slow -->``: run by ``make docs`` alone.
- ``<!-- elsewhere: FILE, ... -->``: not run; FILE, of this repository, says where it was.
- ``<!-- without tfblindspots -->``: Python that runs where this package cannot be imported.

``<!-- hidden`` opens a comment of Python: it makes what the page takes to be the reader's, or
checks what a block made.
"""

import re
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parents[2]
ELSEWHERE, SLOW, WITHOUT_PACKAGE = "elsewhere: ", "slow", "without tfblindspots"
RUN = ("bash", "python")
SHOWN = ("output", "text")

_PIECE = re.compile(
    r"^<!-- hidden\n(?P<hidden>.*?)^-->$"
    r"|(?:^<!-- (?P<note>[^\n]*?) -->\n+)?"
    r"^(?P<fence>`{3,})(?P<language>[^\n]*)\n(?P<code>.*?)^(?P=fence)$",
    flags=re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A fenced block of a page, or a comment that hides some Python."""

    page: Path
    line: int  # of its first line of code, from 1
    language: str
    code: str
    note: str = ""  # of the comment before it
    is_hidden: bool = False  # not a fenced block, but a comment

    @property
    def place(self) -> str:
        """Where it stands, as editors understand it."""
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"

    @property
    def elsewhere(self) -> Path | None:
        """The file that says where it was run, if it is not run here."""
        if not self.note.startswith(ELSEWHERE):
            return None
        return REPOSITORY / self.note.removeprefix(ELSEWHERE).partition(",")[0]


def pages() -> list[Path]:
    """README and all pages of docs/, but those that scripts and ``make docs`` generate."""
    written = (REPOSITORY / "docs").rglob("*.md")
    generated = (REPOSITORY / "docs" / "reference", REPOSITORY / "docs" / "_build")
    return [
        REPOSITORY / "README.md",
        *sorted(
            page
            for page in written
            if page.name != "quality_card.md"
            and not any(page.is_relative_to(folder) for folder in generated)
        ),
    ]


def blocks(page: Path, text: str | None = None) -> list[Block]:
    """All fenced blocks of a page, and the Python that it hides, in their order.

    Args:
      page: the file.
      text: what is in it; None to read it.
    """
    text = page.read_text(encoding="utf-8") if text is None else text
    found = []
    for piece in _PIECE.finditer(text):
        group = "code" if piece["hidden"] is None else "hidden"
        line = text.count("\n", 0, piece.start(group)) + 1
        if group == "hidden":
            found.append(Block(page, line, "python", piece[group], is_hidden=True))
        else:
            found.append(Block(page, line, piece["language"], piece[group], piece["note"] or ""))
    return found
