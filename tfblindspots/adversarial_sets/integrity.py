"""Whether the files of a set are those that its manifest speaks of."""

import os
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

import tensorflow as tf

from tfblindspots.adversarial_sets.layout import METADATA_FILES, Layout
from tfblindspots.artifacts import fingerprint_path, leaves_folder, read_json
from tfblindspots.errors import InputError

# What whoever reads a set by the names of its files would take for a part of it.
_SHARDS = "*.tfrecord*"
_READ_BY_NAME = (*METADATA_FILES, "quality_card.md")
# TFRecord frames each record: length, its checksum, the record, its checksum.
_LENGTH = struct.Struct("<Q")
_FRAME = _LENGTH.size + 4 + 4


def file_problems(directory: Path, manifest: Mapping[str, Any], layout: Layout) -> dict[str, str]:
    """Compares files with the SHA-256 that the manifest gives for each.

    Args:
      directory: of the set.
      manifest: of the set.
      layout: of the set.

    Returns:
      By the name of each file that is not the one that the manifest speaks of: what is wrong with
      it. The manifest of schema 1 speaks of the shards only.
    """
    paths = layout.shard_paths(directory)
    shards = {path.name: layout.shard_count(number) for number, path in enumerate(paths)}
    listed = dict(manifest.get("shards", {}))
    hashes = {**manifest.get("files", {}), **listed}
    problems = {
        name: "is not among the shards that the manifest lists"
        for name in shards.keys() - listed.keys()
    }
    patterns = (_SHARDS, *(_READ_BY_NAME if manifest["schema"] > 1 else ()))
    for path in directory.glob("[!.]*"):
        if path.name not in hashes and any(path.match(pattern) for pattern in patterns):
            problems.setdefault(path.name, "is not among the files that the manifest lists")
    for name, fingerprint in sorted(hashes.items()):
        path = directory / name
        if leaves_folder(name) or PureWindowsPath(name).name != name:
            problems[name] = "is no name of a file of the set, though the manifest lists it"
        elif not (path.is_file() or (path.is_dir() and name not in shards)):
            problems[name] = "is missing"
        elif fingerprint_path(path) != fingerprint:
            reason = shard_problem(path, layout) if name in shards else None
            problems[name] = reason or "has another SHA-256 than its manifest says: it was changed"
        elif name in shards:
            count = _count_records(path)
            if count is not None and count != shards[name]:
                problems[name] = _other_count(count, shards[name])
    return problems


def _count_records(path: Path) -> int | None:
    """How many records a shard holds, by their lengths alone; None where these lead nowhere."""
    size, position, count = path.stat().st_size, 0, 0
    with path.open("rb") as file:
        while position < size:
            file.seek(position)
            length = file.read(_LENGTH.size)
            if len(length) < _LENGTH.size:
                return None
            position += _FRAME + _LENGTH.unpack(length)[0]
            count += 1
    return count if position == size else None


def _other_count(found: int, expected: int) -> str:
    if found < expected:
        return f"is truncated: it holds {found} of {expected} examples"
    return f"holds {found} examples; expected {expected}"


def shard_problem(path: Path, layout: Layout) -> str | None:
    """What is wrong with a shard's records, of which each has checksums; None where nothing is."""
    names = [shard.name for shard in layout.shard_paths(path.parent)]
    expected = layout.shard_count(names.index(path.name))
    found = 0
    try:
        for _ in tf.data.TFRecordDataset(os.fspath(path)):
            found += 1
    except tf.errors.DataLossError as error:
        if "truncated" in str(error):
            return f"is truncated within record {found} (from 0) of {expected}"
        return f"is damaged: record {found} (from 0) of {expected} fails its checksum"
    return None if found == expected else _other_count(found, expected)


def tfds_problem(directory: Path, layout: Layout, schema: int) -> str | None:
    """Which of the files that TensorFlow Datasets reads first is not as it was written.

    They are compared with what is written for such a set, never given to TensorFlow Datasets: they
    can name other files to read, and Python code to run.

    Args:
      directory: of the set; all shards are there.
      layout: of the set.
      schema: of the set.

    Returns:
      The file's name and what is wrong with it; None where nothing is.
    """
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary)
        # TensorFlow Datasets wants to see the shards' names.
        for path in layout.shard_paths(copy):
            path.touch()
        layout.write_tfds_metadata(copy, shards=directory, schema=schema)
        for expected in sorted(copy.glob("*[!0-9]")):
            path = directory / expected.name
            if not path.is_file():
                return f"{path.name} is missing"
            try:
                place = _difference(_content(path), _content(expected))
            except (InputError, UnicodeDecodeError):
                return f"{path.name} cannot be read"
            if place is not None:
                return f"{path.name} does not describe this set{place}"
    return None


def _content(path: Path) -> Any:
    if path.suffix == ".json":
        return read_json(path)
    return path.read_text(encoding="utf-8").splitlines()


def _difference(found: Any, expected: Any) -> str | None:
    """Where two contents first differ, by keys; None where they do not, but in what is prose."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted(found.keys() | expected.keys()):
            values = found.get(key), expected.get(key)
            # Its wording may change from version to version.
            prose = key in ("description", "citation") and all(
                isinstance(value, str) for value in values
            )
            place = None if prose else _difference(*values)
            if place is not None:
                return f", at {key}{place.replace(', at ', '.', 1)}"
        return None
    if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        places = (_difference(*pair) for pair in zip(found, expected, strict=True))
        return next((place for place in places if place is not None), None)
    return None if type(found) is type(expected) and found == expected else ""
