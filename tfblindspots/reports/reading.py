"""Reads ``results.json`` and the manifest beside it, and checks them once for all that follows.

Whatever is absent comes out as None or empty; whatever is present must have the right type.
"""

import math
import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tfblindspots.artifacts import MANIFEST, read_json
from tfblindspots.errors import InputError
from tfblindspots.reports.results import (
    Attack,
    CrossTable,
    ImageSetRow,
    Network,
    Rate,
    Results,
    paper_order,
)

RESULTS = "results.json"
T = TypeVar("T")


def read_results(output_dir: str | os.PathLike[str]) -> Results:
    """Reads ``results.json`` and, where there is one already, ``manifest.json``.

    Args:
      output_dir: directory that ``scripts/reproduce.py`` wrote.

    Raises:
      InputError: there is no ``results.json``, or it does not have the expected form.
    """
    path = Path(output_dir) / RESULTS
    if not path.is_file():
        raise InputError(
            f"{output_dir} has no {RESULTS}; expected a directory that scripts/reproduce.py wrote. "
            "Run it first."
        )
    found = read_json(path)
    manifest_path = Path(output_dir) / MANIFEST
    manifest = read_json(manifest_path) if manifest_path.is_file() else {}
    try:
        return _results(found, {**_mapping(manifest), **_mapping(found)})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise InputError(
            f"{path} does not have the expected form ({reason}). Rerun scripts/reproduce.py."
        ) from None


def no_results(dataset: str, manifest: Mapping[str, Any]) -> Results:
    """What there is where the experiments on the paper's networks were not run.

    Args:
      dataset: of the other experiments.
      manifest: of one of them, for the versions.
    """
    versions = {name: manifest.get(name) for name in ("version", "libraries")}
    return _results({"dataset": dataset}, versions)


def _results(found: Any, provenance: Mapping[str, Any]) -> Results:
    networks = [_network(entry) for entry in _list(found.get("networks"))]
    return Results(
        dataset=_text(found.get("dataset")) or "unknown",
        train_count=_integer(found.get("train_count")),
        test_count=_integer(found.get("test_count")),
        seconds=_number(found.get("seconds")),
        seed=_integer(provenance.get("seed")),
        command=_command(provenance),
        version=_text(provenance.get("version")),
        created=_text(provenance.get("created")),
        libraries={str(k): str(v) for k, v in _mapping(provenance.get("libraries")).items()},
        networks=tuple(sorted(networks, key=lambda network: paper_order(network.name))),
        cross_model=_each(found.get("cross_model"), _cross_table),
    )


def _command(provenance: Mapping[str, Any]) -> str | None:
    if provenance.get("command"):
        return _text(provenance["command"])
    flags = _mapping(provenance.get("flags"))
    given = [
        f"--{name}={shlex.quote(','.join(map(str, value if isinstance(value, list) else [value])))}"
        for name, value in flags.items()
        if value is not None
    ]
    return " ".join(["scripts/reproduce.py", *given]) if given else None


def _network(entry: Any) -> Network:
    name = str(entry["name"])
    return Network(
        name=name,
        title=_text(entry.get("title")) or name,
        weight_decays=_each(entry.get("weight_decays"), _required_number),
        train_error=_rate(entry.get("train_error")),
        test_error=_rate(entry.get("test_error")),
        converged=None if entry.get("converged") is None else bool(entry["converged"]),
        iterations=_integer(entry.get("iterations")),
        evaluations=_integer(entry.get("evaluations")),
        train_seconds=_number(entry.get("train_seconds")),
        message=_text(entry.get("message")) or "",
        attacks=_each(entry.get("attacks"), _attack),
    )


def _attack(entry: Any) -> Attack:
    return Attack(
        count=_integer(entry.get("count")),
        success_rate=_number(entry.get("success_rate")),
        mean_distortion=_number(entry.get("mean_distortion")),
        mean_distortion_correct=_number(entry.get("mean_distortion_correct")),
        median_distortion_correct=_number(entry.get("median_distortion_correct")),
        quantiles=_each(entry.get("quantiles"), _required_number),
        mean_evaluations=_number(entry.get("mean_evaluations")),
        seconds=_number(entry.get("seconds")),
        images_per_second=_number(entry.get("images_per_second")),
        statuses={k: int(v) for k, v in _each(entry.get("statuses"), _required_number).items()},
    )


def _cross_table(entry: Any) -> CrossTable:
    rows = [
        ImageSetRow(
            name=str(row["name"]),
            made_for=_text(row.get("made_for")),
            mean_distortion=_number(row.get("mean_distortion")),
            cells={
                str(cell["model"]): rate
                for cell in _list(row.get("cells"))
                if (rate := _rate(cell)) is not None
            },
        )
        for row in _list(entry.get("rows"))
    ]
    return CrossTable(
        columns=tuple(sorted(map(str, _list(entry.get("columns"))), key=paper_order)),
        rows=tuple(sorted(rows, key=_row_order)),
    )


def _row_order(row: ImageSetRow) -> tuple[int, float]:
    if row.made_for is not None:
        return 0, paper_order(row.made_for)
    return 1, row.mean_distortion or 0.0


def _rate(entry: Any) -> Rate | None:
    if entry is None or entry.get("rate") is None:
        return None
    rate, low, high = (_required_number(entry[key]) for key in ("rate", "low", "high"))
    if not all(0 <= value <= 1 for value in (rate, low, high)):
        raise ValueError(f"an error rate of {rate} within [{low}, {high}], expected fractions")
    return Rate(rate, low, high, _integer(entry.get("count")))


def _required_number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{value!r:.40} where a number belongs")
    return value


def _number(value: Any) -> float | None:
    return None if value is None else _required_number(value)


def _integer(value: Any) -> int | None:
    return None if value is None else int(_required_number(value))


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list | None):
        raise TypeError(f"{value!r:.40} where a list belongs")
    return value or []


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict | None):
        raise TypeError(f"{value!r:.40} where an object belongs")
    return value or {}


def _each(value: Any, parse: Callable[[Any], T]) -> dict[str, T]:
    return {str(key): parse(entry) for key, entry in _mapping(value).items()}
