"""Every command and every piece of Python in README and docs/ runs as it is written."""

import os
from pathlib import Path

import pytest

from tests.docs.pages import ELSEWHERE, REPOSITORY, RUN, SHOWN, SLOW, WITHOUT_PACKAGE, blocks, pages
from tests.docs.running import differs, run_page

# Set by ``make docs``.
AS_WRITTEN = os.environ.get("RUN_DOCS_AS_WRITTEN") == "1"
PAGES = {str(page.relative_to(REPOSITORY)): blocks(page) for page in pages()}
WITH_COMMANDS = [name for name, found in PAGES.items() if any(b.language in RUN for b in found)]


@pytest.mark.parametrize("name", WITH_COMMANDS)
def test_a_page_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(PAGES[name], tmp_path, as_written=AS_WRITTEN)


@pytest.mark.parametrize("name", PAGES)
def test_no_block_is_passed_over(name: str) -> None:
    fences = sum(
        line.lstrip().startswith("```") for line in (REPOSITORY / name).read_text().splitlines()
    )
    found = PAGES[name]
    assert fences == 2 * sum(not block.is_hidden for block in found)
    for block in found:
        assert block.language in (*RUN, *SHOWN) or block.language.startswith("{"), block.place
        if block.elsewhere is not None:
            assert block.elsewhere.is_file(), f"{block.place} names a file that is not there"
        else:
            assert block.note in ("", SLOW, WITHOUT_PACKAGE), block.place
        assert not (block.note and block.language not in RUN), block.place


def test_what_is_cut_out_of_a_page(tmp_path: Path) -> None:
    page = REPOSITORY / "page.md"
    text = (
        "# Page\n\n<!-- hidden\nx = 1\n-->\n\n<!-- elsewhere: README.md, yesterday -->\n"
        "```bash\nsleep 9\n```\n\n<!-- a comment -->\n\nText.\n\n````text\n```\n````\n"
    )
    first, second, third = blocks(page, text)
    assert (first.language, first.code, first.line) == ("python", "x = 1\n", 4)
    assert second.note == f"{ELSEWHERE}README.md, yesterday"
    assert (second.elsewhere, second.line) == (REPOSITORY / "README.md", 9)
    assert (third.code, third.note) == ("```\n", "")


@pytest.mark.parametrize(
    ("shown", "printed", "difference"),
    [
        ("mean 0.051 of 1,797\n", "mean  0.049 of 1,797", None),
        ("mean 0.051 of 1,797", "mean 0.11 of 1,797", "it prints 0.11 where 0.051 is shown"),
        ("took ..., 12 images", "took 3 min\nor so, 12 images", None),
        ("first\n...\nlast", "first\nlast", None),
        ("a | b\n---- | ---\n", "a | b\n------- | ---\n", None),
        ("mean 0.051", "median 0.051", "it prints other words than are shown"),
        ("mean 0.051", "mean 0.051 and more", "it prints other words than are shown"),
        ("0 failed", "1 failed", "it prints 1 where 0 is shown"),
    ],
)
def test_what_is_printed_is_compared(shown: str, printed: str, difference: str | None) -> None:
    assert differs(shown, printed) == difference


def test_failures_are_seen(tmp_path: Path) -> None:
    page = REPOSITORY / "page.md"
    apart = "<!-- without tfblindspots -->\n```python\nimport tfblindspots\n```\n"
    wrong_flag = "```bash\npython scripts/attack.py --saved_model=none --dataset=none\n```\n"
    cases = (
        ("```bash\nfalse\n```\n", "page.md:2 fails"),
        (wrong_flag, "ended with status 1"),
        ("```bash\necho 1\n```\n\n```output\n3\n```\n", "it prints 1 where 3 is shown"),
        (apart, "No module named 'tfblindspots'|import of tfblindspots halted"),
    )
    for number, (text, message) in enumerate(cases):
        directory = tmp_path / str(number)
        directory.mkdir()
        with pytest.raises(AssertionError, match=message):
            run_page(blocks(page, text), directory, as_written=False)
