"""Whether examples are what the schema says."""

from collections.abc import Mapping, Sequence

import numpy as np

from tfblindspots.adversarial_sets.schema import FIELDS, Field
from tfblindspots.errors import InputError

_TEXT = np.dtype(object)
_BYTE = np.dtype(np.uint8)


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
    wrong = out_of_range(field, values, num_classes)
    if wrong.any():
        position = tuple(map(int, np.argwhere(wrong)[0]))
        raise InputError(
            f"examples[{field.name!r}] is {values[position]} for example {position[0]}; "
            f"expected values {range_text(field, num_classes)}."
        )


def out_of_range(field: Field, values: np.ndarray, num_classes: int) -> np.ndarray:
    """Where values are not what the field may hold.

    Args:
      field: of an adversarial set.
      values: of that field, [N, ...].
      num_classes: of the model; labels and predictions lie below it.

    Returns:
      bool, of the shape of ``values``; False everywhere for text and bytes.
    """
    if field.dtype in (_TEXT, _BYTE):
        return np.zeros(values.shape, bool)
    low, high = _limits(field, num_classes)
    # Written so that NaN, which compares false with everything, is outside.
    return ~(np.isfinite(values) & (values >= low) & (values <= high))


def range_text(field: Field, num_classes: int) -> str:
    """What a field may hold, for messages."""
    low, high = _limits(field, num_classes)
    return f"finite and at least {low:g}" if high == np.inf else f"in [{low:g}, {high:g}]"


def _limits(field: Field, num_classes: int) -> tuple[float, float]:
    low = -np.inf if field.minimum is None else field.minimum
    high = num_classes - 1 if field.is_class else field.maximum
    return low, np.inf if high is None else high


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
