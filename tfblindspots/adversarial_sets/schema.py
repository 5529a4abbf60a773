"""The fields of an adversarial example as it is stored, and how they are parsed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfblindspots.artifacts import SCHEMAS

KIND = "adversarial_set"


@dataclass(frozen=True)
class Field:
    """One field of an adversarial example.

    Attributes:
      name: its key in the record.
      dtype: NumPy dtype of the stored values: float32, int64, uint8, or object for text.
      description: what it means, with its unit.
      minimum: smallest value allowed; None where it has no order.
      maximum: largest value allowed; None where there is none, or where it is the last class.
      is_image: one value a pixel and channel, [H, W, C]; otherwise one value an example.
      is_class: a class number, of which the largest is the number of classes less 1.
      since: the first schema that has it.
    """

    name: str
    dtype: np.dtype
    description: str
    minimum: float | None = 0
    maximum: float | None = None
    is_image: bool = False
    is_class: bool = False
    since: int = 1


# Of what `AdversarialSetWriter` writes.
SCHEMA = SCHEMAS[KIND]

_FLOAT = np.dtype(np.float32)
_INTEGER = np.dtype(np.int64)
_TEXT = np.dtype(object)
_BYTE = np.dtype(np.uint8)
_TENSORFLOW_DTYPE = {_FLOAT: tf.float32, _INTEGER: tf.int64, _TEXT: tf.string}

FIELDS = (
    Field("image", _FLOAT, "the adversarial image, in [0, 1]", maximum=1, is_image=True),
    Field("original", _FLOAT, "the image it came from, in [0, 1]", maximum=1, is_image=True),
    Field(
        "image_uint8",
        _BYTE,
        "the adversarial image in 8 bits, 255 for 1.0; as raw bytes",
        maximum=255,
        is_image=True,
        since=2,
    ),
    Field("label", _INTEGER, "true class", is_class=True),
    Field("original_prediction", _INTEGER, "class of the model for original", is_class=True),
    Field("prediction", _INTEGER, "class of the model for image", is_class=True),
    Field("target", _INTEGER, "class aimed at, -1 when untargeted", minimum=-1, is_class=True),
    Field("success", _INTEGER, "1 when image, as stored, is what was sought; else 0", maximum=1),
    Field("index", _INTEGER, "position in the source split"),
    Field("c", _FLOAT, "weight of the distortion in the objective at the boundary"),
    Field("distortion", _FLOAT, "root mean square of image - original, per pixel and channel"),
    Field("l2", _FLOAT, "Euclidean norm of image - original"),
    Field("linf", _FLOAT, "largest absolute value of image - original"),
    Field(
        "prediction_uint8",
        _INTEGER,
        "class of the model for image_uint8 / 255",
        is_class=True,
        since=2,
    ),
    Field(
        "success_uint8",
        _INTEGER,
        "1 when image_uint8 / 255 is what was sought; else 0",
        maximum=1,
        since=2,
    ),
    Field(
        "distortion_uint8",
        _FLOAT,
        "root mean square of image_uint8 / 255 - original, per pixel and channel",
        since=2,
    ),
    Field("evaluations", _INTEGER, "evaluations of the model spent"),
    Field("status", _TEXT, "why the search ended", minimum=None),
)


def fields_of(schema: int) -> tuple[Field, ...]:
    """Those of ``FIELDS`` that a set of some schema has, in order."""
    return tuple(field for field in FIELDS if field.since <= schema)


def feature_description(
    image_shape: Sequence[int], schema: int = SCHEMA
) -> dict[str, tf.io.FixedLenFeature]:
    """How ``tf.io.parse_single_example`` or ``tf.io.parse_example`` reads a record of a set.

    Args:
      image_shape: height, width and channels.
      schema: of the set, as its manifest says it.

    Returns:
      A feature for each field of the schema, by name: images as float32 [H, W, C], 8-bit images as
      the H x W x C bytes that ``tf.io.decode_raw`` turns into numbers, all else as scalars.
    """
    return {field.name: _feature(field, list(image_shape)) for field in fields_of(schema)}


def _feature(field: Field, image_shape: list[int]) -> tf.io.FixedLenFeature:
    if field.dtype == _BYTE:
        return tf.io.FixedLenFeature([], tf.string)
    shape = image_shape if field.is_image else []
    return tf.io.FixedLenFeature(shape, _TENSORFLOW_DTYPE[field.dtype])
