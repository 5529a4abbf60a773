"""The fields of an adversarial example as it is stored, and how they are parsed and checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfblindspots.artifacts import SCHEMAS
from tfblindspots.errors import InputError

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


def check_examples(
    examples: Mapping[str, np.ndarray], image_shape: Sequence[int], num_classes: int, count: int
) -> None:
    """Checks that arrays are what the schema says, before they are stored.

    Args:
      examples: an array for each of ``FIELDS``, by name; the first axis counts examples.
      image_shape: height, width and channels.
      num_classes: classes of the model and of the labels.
      count: how many examples there should be.

    Raises:
      InputError: a field is missing, unknown, or has another dtype or shape; a value is not finite
        or out of its range; or an example claims a success that its classes contradict.
    """
    names = [field.name for field in FIELDS]
    for problem, differing in (
        ("lack", [name for name in names if name not in examples]),
        ("have the unknown fields", [name for name in examples if name not in names]),
    ):
        if differing:
            raise InputError(
                f"examples {problem} {', '.join(differing)}; expected exactly {', '.join(names)}."
            )
    for field in FIELDS:
        shape = (count, *image_shape) if field.is_image else (count,)
        _check_field(field, examples[field.name], shape, num_classes)
    _check_success(examples, "success", "prediction")
    _check_success(examples, "success_uint8", "prediction_uint8")


def _check_field(
    field: Field, values: np.ndarray, shape: tuple[int, ...], num_classes: int
) -> None:
    kind = "text" if field.dtype == _TEXT else field.dtype.name
    is_text = field.dtype == _TEXT and values.dtype.kind in "OU"
    if values.shape != shape or not (is_text or values.dtype == field.dtype):
        raise InputError(
            f"examples[{field.name!r}] is {values.dtype.name} {list(values.shape)}; "
            f"expected {kind} {list(shape)}."
        )
    if is_text:
        if not all(isinstance(value, str) for value in values):
            raise InputError(f"examples[{field.name!r}] holds other objects; expected text.")
        return
    low = -np.inf if field.minimum is None else field.minimum
    high = num_classes - 1 if field.is_class else field.maximum
    # Written so that NaN, which compares false with everything, is outside.
    inside = np.isfinite(values) & (values >= low) & (values <= (np.inf if high is None else high))
    if not inside.all():
        position = tuple(map(int, np.argwhere(~inside)[0]))
        limits = f"in [{low}, {high}]" if high is not None else f"finite and at least {low}"
        raise InputError(
            f"examples[{field.name!r}] is {values[position]} for example {position[0]}; "
            f"expected values {limits}."
        )


def _check_success(examples: Mapping[str, np.ndarray], success: str, prediction: str) -> None:
    label, target = examples["label"], examples["target"]
    # An image that is misclassified to begin with is a success whatever was aimed at.
    aimed = (target >= 0) & (examples["original_prediction"] == label)
    found = examples[prediction]
    contradicts = (found == label) | (aimed & (found != target))
    wrong = np.flatnonzero((examples[success] == 1) & contradicts)
    if wrong.size:
        i = int(wrong[0])
        raise InputError(
            f"example {i} claims {success} with label {label[i]}, target {target[i]} and "
            f"{prediction} {found[i]}; expected the target, or any class but the label when "
            f"untargeted. Compute {success} from the images that are stored."
        )
