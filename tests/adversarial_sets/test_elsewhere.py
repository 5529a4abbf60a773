"""Others read sets, as docs/adversarial_sets.md shows, where this package is not installed."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.adversarial_sets.tampering import EXAMPLE_SET, REPOSITORY
from tests.elsewhere import run_elsewhere
from tfblindspots.adversarial_sets import (
    FIELDS,
    export_npz,
    feature_description,
    read_adversarial_set,
)
from tfblindspots.data import from_uint8

DOCS = REPOSITORY / "docs"

# Prints what it read as JSON.
_FOREIGN_READER = """
import glob
import json
import sys
import tensorflow as tf
import tensorflow_datasets as tfds

directory = "set"
builder = tfds.builder_from_directory(directory)
by_tfds = [
    {name: value.numpy() for name, value in example.items()}
    for example in builder.as_dataset(split="train")
]
by_tfds.sort(key=lambda example: example["index"])
description = {
    "image": tf.io.FixedLenFeature([4, 3, 2], tf.float32),
    "original": tf.io.FixedLenFeature([4, 3, 2], tf.float32),
    "image_uint8": tf.io.FixedLenFeature([], tf.string),
    **{
        name: tf.io.FixedLenFeature([], tf.int64)
        for name in "label original_prediction prediction target success index prediction_uint8 "
        "success_uint8 evaluations".split()
    },
    **{
        name: tf.io.FixedLenFeature([], tf.float32)
        for name in ("c", "distortion", "l2", "linf", "distortion_uint8")
    },
    "status": tf.io.FixedLenFeature([], tf.string),
}

def parse(record):
    example = tf.io.parse_single_example(record, description)
    image = tf.reshape(tf.io.decode_raw(example["image_uint8"], tf.uint8), [4, 3, 2])
    return {name: value.numpy() for name, value in {**example, "image_uint8": image}.items()}

shards = sorted(glob.glob(directory + "/*.tfrecord-*"))
by_tensorflow = [parse(record) for record in tf.data.TFRecordDataset(shards)]
by_tensorflow.sort(key=lambda example: example["index"])
supervised = next(iter(builder.as_dataset(split="train[:1]", as_supervised=True)))

def plain(value):
    return value.decode() if isinstance(value, bytes) else value.tolist()

json.dump(
    {
        "features": sorted(builder.info.features),
        "class_names": builder.info.features["label"].names,
        "num_examples": builder.info.splits["train"].num_examples,
        "supervised": [list(tensor.shape) for tensor in supervised],
        "tfds": [{name: plain(value) for name, value in e.items()} for e in by_tfds],
        "tensorflow": [{name: plain(value) for name, value in e.items()} for e in by_tensorflow],
    },
    sys.stdout,
)
"""


def test_sets_are_read_as_documented(
    tmp_path: Path, write_set: Callable[[], dict[str, np.ndarray]]
) -> None:
    text = (DOCS / "adversarial_sets.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    by_tfds, by_tensorflow, with_model, by_numpy, the_digits = blocks
    odd = write_set()
    for name in ("docs", "saved_models"):
        (tmp_path / name).symlink_to(DOCS.parent / name)
    shipped = read_adversarial_set(EXAMPLE_SET)
    examples, summary = shipped.examples, shipped.manifest["summary"]
    export_npz(EXAMPLE_SET, tmp_path / "results" / "digits.npz")

    absent = "try:\n    import tfblindspots\nexcept ImportError:\n    print('absent')\n"
    alone = "import sys\nprint('tensorflow' in sys.modules)\n"
    printed = run_elsewhere(
        [
            *(absent, by_numpy + alone, by_tfds, by_tensorflow, with_model),
            *(_FOREIGN_READER, the_digits),
        ],
        tmp_path,
    )
    assert printed[0] == ["absent"]
    change = from_uint8(examples["image_uint8"]) - examples["original"]
    assert printed[1] == [
        f"fc100-100-10: {examples['success_uint8'].mean():.1%} turned in 8 bits",
        f"largest change of a pixel {np.abs(change).max():.3f}",
        "False",
    ]
    assert printed[2] == ["360 examples"] + [
        f"{examples['label'][i]} {examples['prediction'][i]} (8, 8, 1)" for i in range(3)
    ]
    assert printed[3] == [f"mean distortion {examples['distortion'].mean():.4f}"]
    turned, attacked = summary["success_rate"], summary["attacked"]
    assert printed[4] == [
        f"{turned:.0%} of {attacked} correctly classified images turned",
        f"the manifest says: {turned:.0%} of {attacked}",
    ]

    assert printed[6] == ["1437 360"]

    # Every value of a set of odd shapes and texts.
    examples = odd
    found = json.loads("".join(printed[5]))
    assert found["features"] == sorted(examples)
    assert found["class_names"] == ["a", "b", "c", "d", "e"]
    assert found["num_examples"] == 23
    assert found["supervised"] == [[4, 3, 2], []]
    order = np.argsort(examples["index"])
    for reader in ("tfds", "tensorflow"):
        assert len(found[reader]) == 23
        for name, values in examples.items():
            read = np.array([example[name] for example in found[reader]])
            np.testing.assert_array_equal(read.astype(values.dtype), values[order])


def test_the_printed_feature_description_is_the_schema() -> None:
    text = (DOCS / "adversarial_sets.md").read_text(encoding="utf-8")
    (block,) = (b for b in re.findall(r"```python\n(.*?)```", text, re.S) if "FixedLen" in b)
    names: dict[str, Any] = {}
    exec(block.partition("\n\ndef parse")[0], names)
    assert names["features"] == feature_description((8, 8, 1))
    # The table has a row for each field, of its type, in order.
    rows = re.findall(r"^\| `(\w+)` \| (\w+)(?: \[H, W, C\])? \| ", text, re.M)
    types = {field.name: "text" if field.dtype == object else str(field.dtype) for field in FIELDS}
    assert dict(rows) == types
    assert list(dict(rows)) == list(types)
