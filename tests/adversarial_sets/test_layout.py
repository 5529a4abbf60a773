"""Division into shards, and the arguments that describe a set."""

import re
from pathlib import Path
from typing import Any

import pytest

from tfblindspots.adversarial_sets.layout import Layout
from tfblindspots.errors import InputError


def _layout(**replaced: Any) -> Layout:
    arguments: dict[str, Any] = {
        "image_shape": (4, 3, 2),
        "class_names": ("a", "b"),
        "source_split": "train",
        "num_examples": 23,
        "shard_size": 10,
    }
    return Layout(**(arguments | replaced))


@pytest.mark.parametrize(
    ("num_examples", "shard_size", "ranges"),
    [
        (23, 10, [(0, 10), (10, 20), (20, 23)]),
        (20, 10, [(0, 10), (10, 20)]),
        (3, 10, [(0, 3)]),
        (1, 1, [(0, 1)]),
    ],
)
def test_shards_cover_all_examples_once(
    num_examples: int, shard_size: int, ranges: list[tuple[int, int]]
) -> None:
    layout = _layout(num_examples=num_examples, shard_size=shard_size)
    assert [layout.shard_range(shard) for shard in range(layout.num_shards)] == ranges


def test_names_follow_the_convention_of_tfds(tmp_path: Path) -> None:
    paths = _layout().shard_paths(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == [
        "adversarial_set-train.tfrecord-00000-of-00003",
        "adversarial_set-train.tfrecord-00001-of-00003",
        "adversarial_set-train.tfrecord-00002-of-00003",
    ]
    assert all(path.match(_layout().shard_pattern) for path in paths)
    assert not any(path.match(_layout(shard_size=5).shard_pattern) for path in paths)


def test_manifest_round_trip() -> None:
    layout = _layout()
    assert Layout.from_manifest(layout.to_manifest(), "manifest.json") == layout


def test_refuses_a_manifest_that_lacks_keys() -> None:
    manifest = _layout().to_manifest()
    del manifest["shard_size"]
    with pytest.raises(InputError, match=r"^manifest\.json lacks 'shard_size'; make the adversari"):
        Layout.from_manifest(manifest, "manifest.json")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("image_shape", (28, 28), "image_shape is [28, 28]; expected height, width and channels."),
        ("image_shape", (28, 0, 1), "image_shape is [28, 0, 1]; expected height,"),
        ("class_names", ("a", "a"), "class_names are empty, repeated or of several lines"),
        ("class_names", ("a", ""), "class_names are empty"),
        ("class_names", ("a", "b\nc"), "class_names are empty"),
        ("source_split", "train+test", "source_split 'train+test' cannot name a split"),
        ("source_split", "train[:5]", "source_split 'train[:5]' cannot name a split"),
        ("num_examples", 0, "num_examples is 0; expected at least 1."),
        ("shard_size", 0, "shard_size is 0; expected at least 1."),
    ],
)
def test_refuses_arguments(name: str, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        _layout(**{name: value})
