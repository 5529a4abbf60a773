"""What happened to a set's files is found, and named for what it is."""

from pathlib import Path

import numpy as np
import pytest

from tests.adversarial_sets.tampering import (
    EXAMPLE_SET,
    SCHEMA_1,
    copy_of,
    flip_bit,
    forge_manifest,
    shards,
    vouch,
)
from tfblindspots.adversarial_sets import (
    Layout,
    file_problems,
    read_shards,
    tfds_problem,
)
from tfblindspots.artifacts import MANIFEST, read_json, write_json
from tfblindspots.errors import InputError


@pytest.fixture
def a_set(tmp_path: Path) -> Path:
    return copy_of(EXAMPLE_SET, tmp_path / "set")


def _layout(directory: Path) -> Layout:
    return Layout.from_manifest(read_json(directory / MANIFEST), directory)


def _problems(directory: Path) -> dict[str, str]:
    return file_problems(directory, read_json(directory / MANIFEST), _layout(directory))


@pytest.mark.parametrize("directory", [EXAMPLE_SET, SCHEMA_1])
def test_nothing_is_wrong_with_a_set_as_it_was_written(directory: Path) -> None:
    assert _problems(directory) == {}
    manifest = read_json(directory / MANIFEST)
    assert tfds_problem(directory, _layout(directory), manifest["schema"]) is None


def _random_bits(directory: Path, count: int) -> list[tuple[Path, int]]:
    """Bits of all shards together, each as likely as any other."""
    sizes = np.array([8 * path.stat().st_size for path in shards(directory)])
    ends = np.cumsum(sizes)
    drawn = np.random.default_rng(0).choice(ends[-1], count, replace=False)
    files = np.searchsorted(ends, drawn, side="right")
    return [
        (shards(directory)[file], int(bit - (ends - sizes)[file]))
        for file, bit in zip(files, drawn, strict=True)
    ]


def test_each_of_100_flipped_bits_is_found_and_its_shard_named(a_set: Path) -> None:
    flips = _random_bits(a_set, 100)
    assert len({path for path, _ in flips}) == len(shards(a_set))
    for path, bit in flips:
        flip_bit(path, bit)
        problems = _problems(a_set)
        assert list(problems) == [path.name]
        assert "fails its checksum" in problems[path.name] or "truncated" in problems[path.name]
        flip_bit(path, bit)
    assert _problems(a_set) == {}


def test_flipped_bits_are_found_by_their_records_where_the_manifest_was_forged_too(
    a_set: Path,
) -> None:
    for path, bit in _random_bits(a_set, 100)[::10]:
        flip_bit(path, bit)
        vouch(a_set)
        assert _problems(a_set) == {}
        with pytest.raises(InputError, match=rf"{path.name} is (damaged|truncated)"):
            read_shards(shards(a_set), _layout(a_set), 2)
        flip_bit(path, bit)


def test_a_missing_and_a_truncated_shard_are_named(a_set: Path) -> None:
    first, second, third, *_ = shards(a_set)
    first.unlink()
    second.write_bytes(second.read_bytes()[:-7])
    third.write_bytes(b"")
    count = _layout(a_set).shard_count(1)
    assert _problems(a_set) == {
        first.name: "is missing",
        second.name: f"is truncated within record {count - 1} (from 0) of {count}",
        third.name: f"is truncated: it holds 0 of {count} examples",
    }


def test_files_that_were_exchanged_are_named(a_set: Path) -> None:
    first, second, *_ = shards(a_set)
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    (a_set / "quality_card.md").write_text("no warnings\n")
    changed = "has another SHA-256 than its manifest says: it was changed"
    assert _problems(a_set) == dict.fromkeys([first.name, second.name, "quality_card.md"], changed)


def test_shards_that_the_manifest_does_not_list_are_named(a_set: Path) -> None:
    forge_manifest(a_set, shards={})
    expected = dict.fromkeys(
        (path.name for path in shards(a_set)), "is not among the shards that the manifest lists"
    )
    assert _problems(a_set) == expected


def test_metadata_of_tfds_that_say_something_else_are_named(a_set: Path) -> None:
    info = read_json(a_set / "dataset_info.json")
    layout = _layout(a_set)
    lengths = info["splits"][0]["shardLengths"]
    info["splits"][0]["shardLengths"] = [lengths[0], "7", *lengths[2:]]
    write_json(a_set / "dataset_info.json", info)
    assert str(tfds_problem(a_set, layout, 2)).startswith("name the splits {'test': (")
    # A set of schema 1 has other fields.
    for name in ("dataset_info.json", "features.json"):
        (a_set / name).write_bytes((EXAMPLE_SET / name).read_bytes())
    assert tfds_problem(a_set, layout, 1) == (
        "describe other fields: distortion_uint8, image_uint8, prediction_uint8, success_uint8"
    )
    (a_set / "features.json").write_text("{")
    assert str(tfds_problem(a_set, layout, 2)).startswith("cannot be read (")
