"""Manifests say where a result came from, and results without one are refused."""

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfblindspots.artifacts import MANIFEST, build_manifest, read_manifest, write_json
from tfblindspots.errors import InputError
from tfblindspots.version import VERSION


def _build(kind: str = "evaluation", **content: Any) -> dict[str, Any]:
    return build_manifest(
        kind,
        flags={"batch_size": 100},
        seed=3,
        inputs={"model": {"name": "fc10-1", "fingerprint": "ab"}},
        seconds=1.23456,
        **content,
    )


def test_round_trip(tmp_path: Path) -> None:
    manifest = _build(rates=np.array([0.5, 0.25]))
    write_json(tmp_path / MANIFEST, manifest)
    read = read_manifest(tmp_path, "evaluation")
    assert read == {**manifest, "rates": [0.5, 0.25]}
    assert read["version"] == VERSION
    assert read["seconds"] == 1.235
    assert read["libraries"]["numpy"] == np.__version__
    # A Python with NumPy has tens of MiB; kilobytes or bytes would be out of range.
    assert 20 < read["peak_memory_mib"] < 1_000_000
    created = datetime.datetime.fromisoformat(read["created"])
    age = datetime.datetime.now(datetime.UTC) - created
    assert datetime.timedelta(0) <= age < datetime.timedelta(minutes=5)


def test_no_directory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a does not exist; expected a finished evaluation direc"):
        read_manifest(tmp_path / "a", "evaluation")


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no manifest\.json; expected a finished evaluation "):
        read_manifest(tmp_path, "evaluation")


def test_another_kind(tmp_path: Path) -> None:
    write_json(tmp_path / MANIFEST, _build("saved_model"))
    with pytest.raises(InputError, match="holds a result of kind saved_model; expected evaluation"):
        read_manifest(tmp_path, "evaluation")


@pytest.mark.parametrize(
    "content", [[], {"kind": "evaluation"}, {"name": "a"}, {"kind": "evaluation", "schema": "1"}]
)
def test_somebody_elses_manifest(tmp_path: Path, content: Any) -> None:
    write_json(tmp_path / MANIFEST, content)
    with pytest.raises(InputError, match=r"is not a manifest of tfblindspots; expected that of"):
        read_manifest(tmp_path, "evaluation")


@pytest.mark.parametrize(("kind", "newest"), [("evaluation", 1), ("adversarial_set", 2)])
def test_newer_schema(tmp_path: Path, kind: str, newest: int) -> None:
    assert _build(kind)["schema"] == newest
    for schema in range(1, newest + 1):
        write_json(tmp_path / MANIFEST, {**_build(kind), "schema": schema})
        assert read_manifest(tmp_path, kind)["schema"] == schema
    write_json(tmp_path / MANIFEST, {**_build(kind), "schema": newest + 1})
    message = (
        rf"with schema {newest + 1} of {kind}; this version, {VERSION}, reads up to {newest}\."
    )
    with pytest.raises(InputError, match=message):
        read_manifest(tmp_path, kind)
