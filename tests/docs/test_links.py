"""Links lead somewhere, and the numbers on pages come from committed results."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import REPOSITORY, pages

OTHERS = [REPOSITORY / name for name in ("BUILD.md", "CHANGELOG.md", "CONTRIBUTING.md")]
_CODE = re.compile(r"^(`{3,}).*?^\1$|`[^`\n]+`", flags=re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")
# Made by ``make docs``: the site alone has it.
GENERATED = REPOSITORY / "docs" / "reference"
# Sphinx alone reads it; GitHub shows it as it is.
_ROLE = re.compile(r"\{py:\w+\}`")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MyST make them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path, text: str) -> list[str]:
    """The links in ``text`` of ``page`` that lead nowhere."""
    broken = []
    for link in _LINK.findall(_CODE.sub("", text)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        missing = target.is_relative_to(GENERATED) or not target.exists()
        if missing or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", [*pages(), *OTHERS], ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page, page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_pages_read_well_without_sphinx(page: Path) -> None:
    assert _ROLE.findall(page.read_text(encoding="utf-8")) == []


def test_broken_links_are_seen() -> None:
    text = "[a](docs/none.md) [b](BUILD.md#none) [c](#none) [d](BUILD.md#gpu) `[e](code.md)`"
    text += " [f](docs/reference/scripts.md)"
    found = broken_links(REPOSITORY / "README.md", text)
    assert found == ["docs/none.md", "BUILD.md#none", "#none", "docs/reference/scripts.md"]


def test_every_page_is_in_the_index() -> None:
    index = (REPOSITORY / "docs" / "index.md").read_text(encoding="utf-8")
    linked = {Path(link.partition("#")[0]).name for link in _LINK.findall(index)}
    written = {page.name for page in (REPOSITORY / "docs").glob("*.md")}
    assert written - linked == {"index.md"}


def test_numbers_stand_in_committed_results() -> None:
    """Every number with a decimal point in paper.md is in a results page as it is."""
    results = "\n".join(
        path.read_text(encoding="utf-8") for path in (REPOSITORY / "docs" / "results").rglob("*.md")
    )
    text = (REPOSITORY / "docs" / "paper.md").read_text(encoding="utf-8")
    text = re.sub(r"arXiv:[\d.]+|arxiv.org/\S+|\([\d.]+\)", "", text)
    numbers = set(re.findall(r"(?<![\w.])\d+\.\d+(?![\w.])", text))
    known = set(re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?", results))
    assert sorted(numbers - known) == []


def test_speed_and_distortion_are_those_measured() -> None:
    """README's and performance.md's ratios are benchmark.md's, rounded."""
    table = (REPOSITORY / "benchmarks" / "results" / "benchmark.md").read_text(encoding="utf-8")
    measured = [float(text) for text in re.findall(r"(?<= )\d[\d.]*(?:e\+\d+)?(?= \|)", table)]
    for name in ("README.md", "docs/performance.md"):
        text = (REPOSITORY / name).read_text(encoding="utf-8")
        rows = [row for row in text.splitlines() if row.startswith("|") and "Foolbox DDN" in row]
        assert len(rows) >= 4
        for row in rows:
            for shown in re.findall(
                r"(?<= )\d[\d,.]*\d(?= \||, )", row.replace("100 and 1000", "")
            ):
                value = float(shown.replace(",", ""))
                assert min(abs(value - other) / other for other in measured) < 0.01, (name, shown)
