"""Sets are whole or unfinished, and an unfinished one is finished by a rerun of the same writer."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.adversarial_sets import AdversarialSetWriter, read_adversarial_set
from tfblindspots.artifacts import fingerprint_path, read_json, write_json
from tfblindspots.errors import InputError


def _part(
    examples: dict[str, np.ndarray], writer: AdversarialSetWriter, shard: int
) -> dict[str, np.ndarray]:
    first, last = writer.shard_range(shard)
    return {name: values[first:last] for name, values in examples.items()}


def _names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_files_of_a_finished_set(
    tmp_path: Path, write_set: Callable[[], dict[str, np.ndarray]]
) -> None:
    write_set()
    assert _names(tmp_path / "set") == [
        "adversarial_set-train.tfrecord-00000-of-00003",
        "adversarial_set-train.tfrecord-00001-of-00003",
        "adversarial_set-train.tfrecord-00002-of-00003",
        "dataset_info.json",
        "features.json",
        "label.labels.txt",
        "manifest.json",
        "original_prediction.labels.txt",
        "prediction.labels.txt",
        "prediction_uint8.labels.txt",
    ]


def test_manifest_describes_the_set(
    tmp_path: Path, write_set: Callable[[], dict[str, np.ndarray]], manifest: dict[str, Any]
) -> None:
    write_set()
    found = read_json(tmp_path / "set" / "manifest.json")
    shards = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((tmp_path / "set").glob("*.tfrecord-*"))
    }
    files = {
        name: hashlib.sha256((tmp_path / "set" / name).read_bytes()).hexdigest()
        for name in _names(tmp_path / "set")
        if name not in shards and name != "manifest.json"
    }
    assert found == {
        **manifest,
        "schema": 2,
        "image_shape": [4, 3, 2],
        "class_names": ["a", "b", "c", "d", "e"],
        "source_split": "train",
        "num_examples": 23,
        "shard_size": 10,
        "shards": shards,
        "files": files,
    }
    assert len(files) == 6


def test_metadata_of_tfds_counts_what_is_there(
    tmp_path: Path, write_set: Callable[[], dict[str, np.ndarray]]
) -> None:
    write_set()
    split = read_json(tmp_path / "set" / "dataset_info.json")["splits"][0]
    shards = sorted(map(str, (tmp_path / "set").glob("*.tfrecord-*")))
    records = list(tf.data.TFRecordDataset(shards).as_numpy_iterator())
    assert split["name"] == "train"
    assert list(map(int, split["shardLengths"])) == [10, 10, 3]
    assert int(split["numBytes"]) == sum(map(len, records))


def test_a_rerun_writes_the_missing_shards_only(
    tmp_path: Path,
    make_writer: Callable[..., AdversarialSetWriter],
    make_examples: Callable[..., dict[str, np.ndarray]],
    manifest: dict[str, Any],
) -> None:
    examples = make_examples(23)
    interrupted = make_writer()
    assert interrupted.missing_shards() == [0, 1, 2]
    interrupted.write_shard(1, _part(examples, interrupted, 1))
    with pytest.raises(InputError, match=r"set has no manifest\.json; expected a finished adver"):
        read_adversarial_set(tmp_path / "set")
    before = fingerprint_path(tmp_path / "set" / "adversarial_set-train.tfrecord-00001-of-00003")

    rerun = make_writer()
    assert rerun.missing_shards() == [0, 2]
    for shard in rerun.missing_shards():
        rerun.write_shard(shard, _part(examples, rerun, shard))
    shards = rerun.finish(manifest)["shards"]
    assert shards["adversarial_set-train.tfrecord-00001-of-00003"] == before
    found = read_adversarial_set(tmp_path / "set").examples
    assert all(np.array_equal(found[name], examples[name]) for name in examples)


def test_a_rerun_repeats_an_interrupted_finish(
    tmp_path: Path,
    make_writer: Callable[..., AdversarialSetWriter],
    write_set: Callable[[], dict[str, np.ndarray]],
    manifest: dict[str, Any],
) -> None:
    write_set()
    whole = fingerprint_path(tmp_path / "set")
    # As a kill between the metadata and the manifest leaves it.
    keys = ("image_shape", "class_names", "source_split", "num_examples", "shard_size")
    found = read_json(tmp_path / "set" / "manifest.json")
    write_json(tmp_path / "set" / ".layout.json", {key: found[key] for key in keys})
    (tmp_path / "set" / "manifest.json").unlink()
    (tmp_path / "set" / ".manifest.json.0123abcd.tmp").write_text("{")
    writer = make_writer()
    assert writer.missing_shards() == []
    writer.finish(manifest)
    assert fingerprint_path(tmp_path / "set") == whole


def test_a_shard_that_fails_leaves_nothing(
    tmp_path: Path,
    make_writer: Callable[..., AdversarialSetWriter],
    make_examples: Callable[..., dict[str, np.ndarray]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class BrokenWriter(tf.io.TFRecordWriter):
        def write(self, record: bytes) -> None:
            super().write(record)
            raise KeyboardInterrupt

    monkeypatch.setattr(tf.io, "TFRecordWriter", BrokenWriter)
    writer = make_writer()
    with pytest.raises(KeyboardInterrupt):
        writer.write_shard(0, make_examples(10))
    assert writer.missing_shards() == [0, 1, 2]
    assert _names(tmp_path / "set") == [".layout.json"]


def test_a_shard_that_is_refused_leaves_nothing(
    tmp_path: Path,
    make_writer: Callable[..., AdversarialSetWriter],
    make_examples: Callable[..., dict[str, np.ndarray]],
) -> None:
    writer = make_writer()
    with pytest.raises(InputError, match=r"'label'\] is int64 \[9\]; expected int64 \[10\]"):
        writer.write_shard(0, make_examples(10, label=np.zeros(9, np.int64)))
    assert _names(tmp_path / "set") == []


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        # As many shards, but of other sizes.
        ({"shard_size": 9}, "unfinished adversarial_set whose shard_size is 10, not 9; repeat"),
        ({"shard_size": 5}, "whose shard_size is 10, not 5; repeat that or name a new directory"),
        ({"num_examples": 22}, "whose num_examples is 23, not 22"),
        ({"source_split": "test"}, "whose source_split is train, not test"),
        ({"image_shape": (28, 28, 1)}, r"whose image_shape is \[4, 3, 2\], not \[28, 28, 1\]"),
    ],
)
def test_refuses_shards_of_another_layout(
    make_writer: Callable[..., AdversarialSetWriter],
    make_examples: Callable[..., dict[str, np.ndarray]],
    replaced: dict[str, Any],
    message: str,
) -> None:
    make_writer().write_shard(0, make_examples(10))
    with pytest.raises(InputError, match=message):
        make_writer(**replaced)


def test_refuses_a_finished_set(
    make_writer: Callable[..., AdversarialSetWriter], write_set: Callable[[], dict[str, np.ndarray]]
) -> None:
    write_set()
    with pytest.raises(InputError, match="holds a finished result; name a new or empty directory"):
        make_writer()


def test_refuses_other_files(
    tmp_path: Path,
    make_writer: Callable[..., AdversarialSetWriter],
    make_examples: Callable[..., dict[str, np.ndarray]],
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "holiday.jpg").write_text("")
    with pytest.raises(InputError, match=r"other holds other files \(holiday\.jpg\); name a new"):
        make_writer(tmp_path / "other")
    make_writer().write_shard(0, make_examples(10))
    (tmp_path / "set" / "holiday.jpg").write_text("")
    with pytest.raises(InputError, match=r"set holds other files \(holiday\.jpg\); name a new"):
        make_writer()


def test_refuses_shards_that_no_writer_vouches_for(
    tmp_path: Path, make_writer: Callable[..., AdversarialSetWriter]
) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "adversarial_set-train.tfrecord-00000-of-00003").write_text("")
    with pytest.raises(InputError, match=r"holds other files \(adversarial_set-train\.tfrecord-0"):
        make_writer()


def test_leaves_hidden_files_alone(
    tmp_path: Path, make_writer: Callable[..., AdversarialSetWriter]
) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / ".job.json").write_text("{}")
    make_writer()
    assert _names(tmp_path / "set") == [".job.json"]


def test_refuses_to_finish_what_is_not_whole(
    tmp_path: Path,
    make_writer: Callable[..., AdversarialSetWriter],
    make_examples: Callable[..., dict[str, np.ndarray]],
    manifest: dict[str, Any],
) -> None:
    writer = make_writer()
    writer.write_shard(0, make_examples(10))
    with pytest.raises(InputError, match=r"lacks 2 of 3 shards \(first: 1\); write them before"):
        writer.finish(manifest)
    assert not (tmp_path / "set" / "manifest.json").exists()


def test_refuses_a_manifest_of_another_kind(
    tmp_path: Path, make_examples: Callable[..., dict[str, np.ndarray]], manifest: dict[str, Any]
) -> None:
    writer = AdversarialSetWriter(
        tmp_path / "set",
        image_shape=(4, 3, 2),
        class_names="abcde",
        source_split="train",
        num_examples=2,
        shard_size=2,
    )
    writer.write_shard(0, make_examples(2))
    with pytest.raises(InputError, match="manifest is of kind saved_model; expected adversarial_s"):
        writer.finish({**manifest, "kind": "saved_model"})
