"""What an experiment's part of the report is made of, before it gets its markup."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfblindspots.artifacts import read_json
from tfblindspots.errors import InputError
from tfblindspots.reports.claims import Claim
from tfblindspots.reports.pictures import Picture
from tfblindspots.reports.reading import RESULTS
from tfblindspots.reports.tables import Table


@dataclass(frozen=True)
class Part:
    """A table or pictures, with a heading and what is to be said."""

    heading: str
    text: str = ""
    table: Table | None = None
    key: str = ""  # how to read the table's cells
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Section:
    """One experiment in the report."""

    dataset: str
    id: str  # of the HTML element
    name: str  # in the list of contents
    title: str
    text: str
    parts: tuple[Part, ...]
    claims: tuple[Claim, ...]
    sources: tuple[str, ...]  # files that its numbers come from, relative to the report
    seconds: float  # that the experiment took


def read_section_results(directory: Path) -> Mapping[str, Any] | None:
    """The ``results.json`` of an experiment's directory; None where it was not run.

    Raises:
      InputError: the file is not JSON.
    """
    path = directory / RESULTS
    return read_json(path) if path.is_file() else None


def read_section(directory: Path, make: Callable[[Mapping[str, Any]], Section]) -> Section | None:
    """The section that ``make`` makes of a directory's results; None where there are none.

    Raises:
      InputError: the results do not have the form that the experiment writes.
    """
    results = read_section_results(directory)
    if results is None:
        return None
    try:
        return make(results)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise malformed(directory / RESULTS, error) from None


def malformed(path: Path, error: Exception) -> InputError:
    """What to raise when results lack what an experiment writes."""
    reason = f"no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
    return InputError(
        f"{path} does not have the expected form ({reason}). Rerun scripts/reproduce.py."
    )
