"""Serialized examples against the message objects of TensorFlow."""

import numpy as np
import tensorflow as tf

from tfblindspots.adversarial_sets.serialization import serialize_examples


def test_equals_the_messages_of_tensorflow() -> None:
    generator = np.random.default_rng(0)
    examples = {
        "image": generator.standard_normal((7, 5, 40, 3), np.float32),
        "image_uint8": generator.integers(256, size=(7, 5, 40, 3), dtype=np.uint8),
        "c": np.array([0, -0.0, 1, np.pi, 1e-45, 3e38, -1], np.float32),
        "target": np.array([-1, 0, 127, 128, 2**62, -1, 5]),
        "status": np.array(["", "a", "ä", "a", "b" * 300, "c", "c"], object),
    }
    for i, serialized in enumerate(serialize_examples(examples)):
        features = tf.train.Example.FromString(serialized).features.feature
        assert set(features) == set(examples)
        expected = tf.train.Feature(
            float_list=tf.train.FloatList(value=examples["image"][i].ravel())
        )
        assert features["image"] == expected
        assert features["image_uint8"].bytes_list.value == [examples["image_uint8"][i].tobytes()]
        assert features["c"].float_list.value == [examples["c"][i]]
        assert features["target"].int64_list.value == [examples["target"][i]]
        assert features["status"].bytes_list.value == [examples["status"][i].encode()]
    assert i == 6


def test_arrays_that_are_not_contiguous_and_text_of_fixed_width() -> None:
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(1, 2, 0)
    text = np.array(["a", "bc", "a"])
    found = [
        tf.train.Example.FromString(serialized).features.feature
        for serialized in serialize_examples({"image": values, "status": text})
    ]
    assert [list(f["image"].float_list.value) for f in found] == [list(v.ravel()) for v in values]
    assert [f["status"].bytes_list.value[0] for f in found] == [b"a", b"bc", b"a"]
