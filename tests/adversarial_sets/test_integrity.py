"""What happened to a set's files is found, and named for what it is."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

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
from tfblindspots.artifacts import MANIFEST, fingerprint_path, read_json, write_json
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
    first, second, third, fourth = shards(a_set)
    first.unlink()
    second.write_bytes(second.read_bytes()[:-7])
    third.write_bytes(b"")
    fourth.unlink()
    fourth.mkdir()
    count = _layout(a_set).shard_count(1)
    assert _problems(a_set) == {
        first.name: "is missing",
        second.name: f"is truncated within record {count - 1} (from 0) of {count}",
        third.name: f"is truncated: it holds 0 of {count} examples",
        fourth.name: "is missing",
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


def _forge_json(path: Path, keys: list[str | int], value: object) -> None:
    content = read_json(path)
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    write_json(path, content)


@pytest.mark.parametrize(
    ("name", "keys", "value"),
    [
        ("dataset_info.json", ["splits", 0, "shardLengths"], ["100", "7", "100", "60"]),
        # Reads other files than those which were checked.
        ("dataset_info.json", ["splits", 0, "filepathTemplate"], "other-{SPLIT}.{SHARD_X_OF_Y}"),
        ("features.json", ["featuresDict", "features", "c", "pythonClassName"], "strange.Code"),
        ("features.json", ["featuresDict", "features", "c", "python_class_name"], "strange.Code"),
        ("features.json", ["featuresDict", "features", "description"], {"python_class_name": "x"}),
    ],
)
def test_metadata_of_tfds_that_say_something_else_are_named_and_not_used(
    a_set: Path, name: str, keys: list[str | int], value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("metadata of strangers can name code to run")

    _forge_json(a_set / name, keys, value)
    monkeypatch.setattr(tfds, "builder_from_directory", never)
    place = ".".join(key for key in keys if isinstance(key, str))
    expected = f"{name} does not describe this set, at {place}"
    assert tfds_problem(a_set, _layout(a_set), 2) == expected


def test_metadata_of_tfds_of_another_schema_or_none_are_named(a_set: Path) -> None:
    layout = _layout(a_set)
    assert str(tfds_problem(a_set, layout, 1)).startswith("dataset_info.json does not describe")
    names = (a_set / "label.labels.txt").read_text()
    (a_set / "label.labels.txt").write_text(names[2:] + names[:2])
    assert tfds_problem(a_set, layout, 2) == "label.labels.txt does not describe this set"
    (a_set / "features.json").write_text("{")
    assert tfds_problem(a_set, layout, 2) == "features.json cannot be read"
    (a_set / "features.json").unlink()
    assert tfds_problem(a_set, layout, 2) == "features.json is missing"


def test_the_wording_of_descriptions_is_free(a_set: Path) -> None:
    _forge_json(a_set / "dataset_info.json", ["description"], "as another version says it")
    assert tfds_problem(a_set, _layout(a_set), 2) is None


def test_files_that_the_manifest_does_not_list_are_named(a_set: Path) -> None:
    # What a glob for shards finds.
    more = a_set / shards(a_set)[0].name.replace("00000-of-00004", "00004-of-00005")
    more.write_bytes(shards(a_set)[0].read_bytes())
    (a_set / "notes.txt").write_text("nobody reads these as a part of the set\n")
    unlisted = "is not among the files that the manifest lists"
    assert _problems(a_set) == {more.name: unlisted}
    more.unlink()
    forge_manifest(a_set, files={})
    others = {path.name for path in a_set.iterdir()} - {path.name for path in shards(a_set)}
    assert _problems(a_set) == dict.fromkeys(others - {MANIFEST, "notes.txt"}, unlisted)


def test_names_that_lead_out_of_the_set_are_not_followed(a_set: Path) -> None:
    outside = a_set.parent / "outside"
    outside.write_text("private\n")
    names = ["../outside", str(outside), "..", "sub/../label.labels.txt", "C:\\outside"]
    files = read_json(a_set / MANIFEST)["files"]
    forge_manifest(a_set, files={**files, **dict.fromkeys(names, fingerprint_path(outside))})
    expected = "is no name of a file of the set, though the manifest lists it"
    assert _problems(a_set) == dict.fromkeys(names, expected)


def test_shards_must_hold_as_many_examples_as_each_should(a_set: Path) -> None:
    records = [
        [record.numpy() for record in tf.data.TFRecordDataset(str(path))]
        for path in shards(a_set)[:2]
    ]
    records[0].append(records[1].pop(0))
    for path, part in zip(shards(a_set), records, strict=False):
        with tf.io.TFRecordWriter(str(path)) as writer:
            for record in part:
                writer.write(record)
    vouch(a_set)
    first, second, *_ = shards(a_set)
    assert _problems(a_set) == {
        first.name: "holds 101 examples; expected 100",
        second.name: "is truncated: it holds 99 of 100 examples",
    }


def test_no_memory_is_asked_for_images_that_cannot_be_there(a_set: Path) -> None:
    forge_manifest(a_set, image_shape=[10**6, 10**6, 1])
    with pytest.raises(InputError, match="holds records of other fields or shapes; expected image"):
        read_shards(shards(a_set), _layout(a_set), 2)


def test_bytes_of_another_number_of_pixels_are_an_error(a_set: Path) -> None:
    for path in shards(a_set):
        records = [record.numpy() for record in tf.data.TFRecordDataset(str(path))]
        with tf.io.TFRecordWriter(str(path)) as writer:
            for record in records:
                example = tf.train.Example.FromString(record)
                (levels,) = example.features.feature["image_uint8"].bytes_list.value
                example.features.feature["image_uint8"].bytes_list.value[0] = 2 * levels
                writer.write(example.SerializeToString())
    with pytest.raises(InputError, match="holds records of other fields or shapes"):
        read_shards(shards(a_set), _layout(a_set), 2)
