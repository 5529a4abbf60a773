"""Sets are read back as they were written, by this package and by others."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tfblindspots.adversarial_sets import FIELDS, read_adversarial_set
from tfblindspots.artifacts import read_json, write_json
from tfblindspots.errors import InputError

_SHARD = "adversarial_set-train.tfrecord-00001-of-00003"


def test_round_trip(tmp_path: Path, write_set: Callable[[], dict[str, np.ndarray]]) -> None:
    examples = write_set()
    found = read_adversarial_set(tmp_path / "set")
    assert found.name == "set"
    assert found.source_split == "train"
    assert found.manifest == read_json(tmp_path / "set" / "manifest.json")
    assert list(found.examples) == [field.name for field in FIELDS]
    for field in FIELDS:
        assert found.examples[field.name].dtype == field.dtype
        np.testing.assert_array_equal(found.examples[field.name], examples[field.name])
    assert all(type(status) is str for status in found.examples["status"])


def test_refuses_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="set does not exist; expected a finished adversarial_set"):
        read_adversarial_set(tmp_path / "set")


def test_refuses_a_missing_shard(
    tmp_path: Path, write_set: Callable[[], dict[str, np.ndarray]]
) -> None:
    write_set()
    (tmp_path / "set" / _SHARD).unlink()
    with pytest.raises(InputError, match=rf"{_SHARD} is missing; expected 3 shards\. Copy the set"):
        read_adversarial_set(tmp_path / "set")


def _record_ends(data: bytes) -> list[int]:
    """Where the records of a TFRecord file end: lengths, checksums and contents alternate."""
    ends = [0]
    while ends[-1] < len(data):
        length = int.from_bytes(data[ends[-1] : ends[-1] + 8], "little")
        ends.append(ends[-1] + 16 + length)
    return ends


def _truncate_inside(data: bytes) -> bytes:
    return data[:-5]


def _truncate_between(data: bytes) -> bytes:
    return data[: _record_ends(data)[4]]


def _repeat_a_record(data: bytes) -> bytes:
    return data + data[: _record_ends(data)[1]]


def _flip_a_bit(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (_truncate_inside, r"is truncated within record 9 \(from 0\) of 10"),
        (_truncate_between, "is truncated: it holds 4 of 10 examples"),
        (_repeat_a_record, "holds 11 examples; expected 10"),
        (_flip_a_bit, r"is damaged: record \d \(from 0\) of 10 fails its checksum"),
        (lambda data: b"", "is truncated: it holds 0 of 10 examples"),
    ],
)
def test_refuses_a_damaged_shard_by_name(
    tmp_path: Path,
    write_set: Callable[[], dict[str, np.ndarray]],
    damage: Callable[[bytes], bytes],
    problem: str,
) -> None:
    write_set()
    path = tmp_path / "set" / _SHARD
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=rf"{_SHARD} {problem}\. Copy the set again, whole"):
        read_adversarial_set(tmp_path / "set")


def test_refuses_records_of_other_shapes(
    tmp_path: Path, write_set: Callable[[], dict[str, np.ndarray]]
) -> None:
    write_set()
    path = tmp_path / "set" / "manifest.json"
    write_json(path, {**read_json(path), "image_shape": [4, 4, 2]})
    with pytest.raises(InputError, match=r"set holds records of other fields or shapes; expected "):
        read_adversarial_set(tmp_path / "set")
