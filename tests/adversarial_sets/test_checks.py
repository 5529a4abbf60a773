"""What is stored fits the schema, or is refused in one line."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tfblindspots.adversarial_sets.checks import check_examples
from tfblindspots.errors import InputError


def _check(examples: dict[str, np.ndarray]) -> None:
    check_examples(examples, (4, 3, 2), 5, 6)


def test_accepts_examples(make_examples: Callable[..., dict[str, np.ndarray]]) -> None:
    _check(make_examples(6))


def test_accepts_text_of_fixed_width(make_examples: Callable[..., dict[str, np.ndarray]]) -> None:
    _check(make_examples(6, status=np.array(["converged"] * 6)))


def test_accepts_images_misclassified_to_begin_with(
    make_examples: Callable[..., dict[str, np.ndarray]],
) -> None:
    # Nothing was aimed at them, and the image is the original.
    examples = make_examples(6, target=np.zeros(6, np.int64), label=np.full(6, 1))
    others = np.full(6, 3)
    predictions = ("original_prediction", "prediction", "prediction_uint8")
    _check(examples | dict.fromkeys(predictions, others))


def test_accepts_failures(make_examples: Callable[..., dict[str, np.ndarray]]) -> None:
    failed = np.zeros(6, np.int64)
    examples = make_examples(6, success=failed, success_uint8=failed)
    label = examples["label"]
    _check(examples | {"prediction": label, "prediction_uint8": label})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("image", np.zeros((6, 4, 3, 2)), "'image'] is float64 [6, 4, 3, 2]; expected float32"),
        ("image", np.zeros((6, 24), np.float32), "[6, 24]; expected float32 [6, 4, 3, 2]."),
        ("image_uint8", np.zeros((6, 4, 3, 2), np.float32), "expected uint8 [6, 4, 3, 2]."),
        ("label", np.zeros(6, np.int32), "'label'] is int32 [6]; expected int64 [6]."),
        ("label", np.zeros(5, np.int64), "'label'] is int64 [5]; expected int64 [6]."),
        ("success", np.ones(6, bool), "'success'] is bool [6]; expected int64 [6]."),
        ("status", np.zeros(6), "'status'] is float64 [6]; expected text [6]."),
        ("status", np.array([b"a"] * 6, object), "'status'] holds other objects; expected text."),
    ],
)
def test_refuses_other_types_and_shapes(
    make_examples: Callable[..., dict[str, np.ndarray]], name: str, value: Any, message: str
) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        _check(make_examples(6, **{name: value}))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("image", 1.5, "['image'] is 1.5 for example 3; expected values in [0, 1]."),
        ("image", -0.25, "['image'] is -0.25 for example 3; expected values in [0, 1]."),
        ("original", np.nan, "['original'] is nan for example 3; expected values in [0, 1]."),
        ("label", 5, "['label'] is 5 for example 3; expected values in [0, 4]."),
        ("prediction", -1, "['prediction'] is -1 for example 3; expected values in [0, 4]."),
        ("target", -2, "['target'] is -2 for example 3; expected values in [-1, 4]."),
        ("success", 2, "['success'] is 2 for example 3; expected values in [0, 1]."),
        ("index", -1, "['index'] is -1 for example 3; expected values finite and at least 0."),
        ("c", np.inf, "['c'] is inf for example 3; expected values finite and at least 0."),
        ("linf", np.nan, "['linf'] is nan for example 3; expected values finite and at least 0."),
    ],
)
def test_refuses_values_out_of_range(
    make_examples: Callable[..., dict[str, np.ndarray]], name: str, value: Any, message: str
) -> None:
    values = make_examples(6)[name].copy()
    values[3] = value
    with pytest.raises(InputError, match=re.escape(message)):
        _check(make_examples(6, **{name: values}))


def test_refuses_missing_and_unknown_fields(
    make_examples: Callable[..., dict[str, np.ndarray]],
) -> None:
    examples = make_examples(6)
    del examples["c"], examples["l2"]
    with pytest.raises(InputError, match="examples lack c, l2; expected exactly image, original,"):
        _check(examples)
    with pytest.raises(InputError, match="have the unknown fields image_uint4; expected exactly"):
        _check(make_examples(6, image_uint4=np.zeros((6, 4, 3, 2), np.uint8)))


@pytest.mark.parametrize("suffix", ["", "_uint8"])
def test_refuses_success_at_the_true_class(
    make_examples: Callable[..., dict[str, np.ndarray]], suffix: str
) -> None:
    examples = make_examples(6)
    prediction = examples[f"prediction{suffix}"].copy()
    prediction[2] = examples["label"][2]
    message = rf"example 2 claims success{suffix} with label .* Compute success{suffix} from"
    with pytest.raises(InputError, match=message):
        _check(examples | {f"prediction{suffix}": prediction})


@pytest.mark.parametrize("suffix", ["", "_uint8"])
def test_refuses_success_away_from_the_target(
    make_examples: Callable[..., dict[str, np.ndarray]], suffix: str
) -> None:
    examples = make_examples(6)
    target = np.full(6, -1)
    target[4] = (examples["prediction"][4] + 1) % 5
    # The other of the two claims holds.
    other = "_uint8" if not suffix else ""
    examples[f"success{other}"] = np.zeros(6, np.int64)
    with pytest.raises(
        InputError, match=rf"example 4 claims success{suffix} .* target {target[4]} and"
    ):
        _check(examples | {"target": target})
