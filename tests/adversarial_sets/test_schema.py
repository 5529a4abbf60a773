"""The fields are those that are documented, in this order."""

import tensorflow as tf

from tfblindspots.adversarial_sets import FIELDS, feature_description, fields_of


def test_fields_in_the_documented_order() -> None:
    assert " ".join(field.name for field in FIELDS) == (
        "image original image_uint8 label original_prediction prediction target success index c "
        "distortion l2 linf prediction_uint8 success_uint8 distortion_uint8 evaluations status"
    )
    assert " ".join(field.name for field in fields_of(1)) == (
        "image original label original_prediction prediction target success index c distortion l2 "
        "linf evaluations status"
    )
    assert fields_of(2) == FIELDS


def test_feature_description() -> None:
    description = feature_description((4, 3, 2))
    assert description["image"] == tf.io.FixedLenFeature([4, 3, 2], tf.float32)
    assert description["target"] == tf.io.FixedLenFeature([], tf.int64)
    assert description["distortion"] == tf.io.FixedLenFeature([], tf.float32)
    assert description["status"] == tf.io.FixedLenFeature([], tf.string)
    assert description["image_uint8"] == tf.io.FixedLenFeature([], tf.string)
    assert list(description) == [field.name for field in FIELDS]
    assert "image_uint8" not in feature_description((4, 3, 2), schema=1)
