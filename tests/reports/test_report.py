import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tfblindspots.artifacts import write_json
from tfblindspots.errors import InputError
from tfblindspots.reports import paper, write_report
from tfblindspots.reports.formatting import escape_markdown

WriteResults = Callable[[dict[str, Any]], Path]

VOID = {"meta", "img", "br", "hr", "input", "link"}


class Page(HTMLParser):
    """Collects a page's text, links and elements, and checks that its tags are balanced."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.text += " "
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            assert not name.startswith("on")
            if name == "id":
                assert value not in self.ids
                self.ids.add(value or "")
            if name in ("src", "href", "srcset", "action", "data", "poster"):
                self.links.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


@pytest.fixture
def directory(write_results: WriteResults, results_content: dict[str, Any]) -> Path:
    directory = write_results(results_content)
    for target in ("random", "untargeted"):
        for name in paper.NETWORKS:
            (directory / "adversarial_sets" / target / name).mkdir(parents=True)
    return directory.parent


def test_html_is_one_file_with_nothing_outside(directory: Path) -> None:
    path = write_report(directory)
    assert path == directory / "report.html"
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert page.tags.count("img") == 8
    for link in page.links:
        assert link.startswith("data:image/png;base64,") or link[1:] in page.ids, link[:80]
    assert not re.search(r"https?:|//\w|@import|url\(", re.sub(r"data:[^\"]*", "", text))
    assert not {"script", "link", "iframe", "object"} & set(page.tags)


def test_html_has_every_part(directory: Path) -> None:
    text = " ".join(Page(write_report(directory).read_text(encoding="utf-8")).text.split())
    for part in (
        "26 min 11 s",
        "Seed 7",
        "tfblindspots 0.1.0, python 3.11.2, tensorflow 2.21.0",
        "scripts/reproduce.py --dataset=mnist --seed=7",
        "by a fixed rule: 6 × holds, 1 × not measured.",
        "E2. AE400-10 resists best.",
        "All 15 pairs are in the paper’s order.",
        "Mean distortion, untargeted",
        "none picked",
        "already misclassified 4,020",
        "come from networks/results.json",
    ):
        assert part in text
    assert "Not measured" not in text


def test_markdown_shows_the_figures(directory: Path) -> None:
    write_report(directory)
    text = (directory / "report.md").read_text(encoding="utf-8")
    files = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert len(files) == 8
    assert all((directory / file).is_file() for file in files)
    assert r"| **FC10(1e-2)** | 87.1 %<br>\[86.8, 87.4\]<br>*87.1 %* |" in text


def test_markdown_tables_are_whole(directory: Path) -> None:
    write_report(directory)
    lines = (directory / "report.md").read_text(encoding="utf-8").splitlines()
    columns = [len(re.findall(r"(?<!\\)\|", line)) for line in lines]
    tables = 0
    for i, line in enumerate(lines):
        if line.startswith("| ---"):
            tables += 1
            assert columns[i - 1] == columns[i] == columns[i + 1]
    assert tables == 6


def test_digits_has_the_papers_numbers_labelled(
    write_results: WriteResults, results_content: dict[str, Any]
) -> None:
    results_content["dataset"] = "digits"
    path = write_report(write_results(results_content).parent)
    assert "in italics: paper, MNIST" in Page(path.read_text(encoding="utf-8")).text
    assert "in italics: paper, MNIST" in (path.parent / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        '"><img src=https://example.org/x.png onerror=alert(1)>',
        "{{ 7 * 7 }}{% raw %}",
        "a | b\n| c",
    ],
)
def test_names_are_shown_as_they_are(
    write_results: WriteResults, results_content: dict[str, Any], name: str
) -> None:
    text = json.dumps(results_content)
    content = json.loads(text.replace('"mnist"', json.dumps(name)))
    content["networks"][0].update(name=name, title=name, message=name)
    content["networks"][0]["attacks"][name] = content["networks"][0]["attacks"]["random"]
    content["networks"][0]["attacks"]["random"]["statuses"] = {name: 3}
    content["cross_model"]["random"]["columns"][0] = name
    content["cross_model"]["random"]["rows"][6]["name"] = name
    content["command"] = name
    path = write_report(write_results(content).parent)
    page = Page(path.read_text(encoding="utf-8"))
    assert not {"script", "img"} & set(page.tags)
    assert name in page.text
    assert all(link.startswith("#") for link in page.links)
    markdown = (path.parent / "report.md").read_text(encoding="utf-8")
    assert not re.search(r"<(?!br>)\w", markdown)
    assert escape_markdown(name) in markdown


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a | b", r"a \| b"),
        ("[x](y) `c`", r"\[x\](y) \`c\`"),
        ("<b> & *c*\n# d", r"&lt;b&gt; &amp; \*c\* \# d"),
        (412, "412"),
    ],
)
def test_markdown_is_escaped(text: object, escaped: str) -> None:
    assert escape_markdown(text) == escaped


@pytest.mark.parametrize(
    "keep", [[], ["networks"], ["cross_model"], ["dataset", "networks", "cross_model"]]
)
def test_missing_parts_are_said_to_be_missing(
    write_results: WriteResults, results_content: dict[str, Any], keep: list[str]
) -> None:
    content = {key: results_content[key] for key in keep}
    content["networks"] = content.get("networks", [])[:2]
    directory = write_results(content)
    (directory / "manifest.json").unlink()
    page = Page(write_report(directory.parent).read_text(encoding="utf-8"))
    assert "Not measured in this run." in page.text


def test_a_second_report_replaces_the_first(directory: Path) -> None:
    first = write_report(directory).read_bytes()
    assert write_report(directory).read_bytes() == first
    assert not [path for path in directory.rglob("*") if path.name.startswith(".")]


def test_a_directory_without_results_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no results\.json; expected a directory that"):
        write_report(tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []


def test_an_experiment_alone_has_a_report(tmp_path: Path) -> None:
    measures = {
        "units": 0.6,
        "directions": 0.8,
        "difference": -0.2,
        "low": -0.3,
        "high": -0.1,
        "p_value": 0.0002,
        "effect_size": -0.45,
    }
    write_json(
        tmp_path / "units/hidden_1/results.json",
        {
            "flags": {"top": 8, "num_directions": 1000},
            "model": "conv",
            "dataset": {"name": "digits", "split": "test", "count": 360},
            "units": 64,
            "moving_units": 40,
            "reference": None,
            "seconds": 3.0,
            "comparisons": {"random": {"purity": measures}},
            "kinds": {"units": {"numbers": list(range(40))}},
        },
    )
    page = Page(write_report(tmp_path).read_text(encoding="utf-8"))
    assert "Networks (E1)" not in page.text
    assert "Layer hidden_1: 40 of 64 units (40 are moved by at least 8 images)" in page.text
    assert "1\N{NO-BREAK SPACE}× holds" in page.text
    assert "come from units/hidden_1/results.json" in " ".join(page.text.split())


def test_results_that_an_experiment_did_not_write_are_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "training_sets/results.json", {"means": {}})
    with pytest.raises(InputError, match=r"training_sets/results\.json does not have the expected"):
        write_report(tmp_path)
