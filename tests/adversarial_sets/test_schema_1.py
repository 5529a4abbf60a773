"""A set that an earlier version wrote is read by this one."""

import hashlib

import numpy as np
import tensorflow as tf

from tests.adversarial_sets.tampering import SCHEMA_1
from tfblindspots.adversarial_sets import fields_of, read_adversarial_set


def test_its_fields_are_read_and_those_that_came_later_are_absent() -> None:
    found = read_adversarial_set(SCHEMA_1)
    assert found.manifest["schema"] == 1
    assert list(found.examples) == [field.name for field in fields_of(1)]
    shards = sorted(SCHEMA_1.glob("*.tfrecord-*"))
    records = [
        tf.train.Example.FromString(record.numpy()).features.feature
        for record in tf.data.TFRecordDataset(list(map(str, shards)))
    ]
    assert len(records) == 20
    for name, values in found.examples.items():
        stored = [getattr(r[name], r[name].WhichOneof("kind")).value for r in records]
        expected = np.array(stored)
        if name == "status":
            expected = np.char.decode(expected)
        np.testing.assert_array_equal(values, expected.reshape(values.shape).astype(values.dtype))


def test_its_files_are_those_of_then() -> None:
    shards = read_adversarial_set(SCHEMA_1).manifest["shards"]
    assert shards == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in SCHEMA_1.glob("*.tfrecord-*")
    }
