"""NaN counts as minus infinity, and a model that gives nothing else is refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.errors import InputError
from tfblindspots.models import (
    Classifier,
    check_answers,
    is_unanswered,
    load_classifier,
    most_likely_class,
    predict_classes,
    predict_logits,
)

_NAN, _INF = np.nan, np.inf


@pytest.mark.parametrize(
    ("logits", "expected", "unanswered"),
    [
        ([1, 3, 2], 1, False),
        ([1, _NAN, 2], 2, True),
        ([_NAN, -_INF, -5], 2, True),
        ([_NAN, _NAN, _NAN], 0, True),
        ([_NAN, _INF, 0], 1, True),
        ([0, _INF, 0], 1, False),
    ],
)
def test_nan_counts_as_minus_infinity(logits: list[float], expected: int, unanswered: bool) -> None:
    row = np.array([logits], np.float32)
    classes = most_likely_class(row)
    assert classes.dtype == np.int64
    assert classes.tolist() == [expected]
    assert is_unanswered(row).tolist() == [unanswered]


def _classifier(side: int) -> Classifier:
    """NaN but for images whose first pixel is above 1/2."""

    def logits(images: tf.Tensor) -> tf.Tensor:
        first = tf.reshape(images, [-1, side * side])[:, :3]
        return tf.where(first[:, :1] > 0.5, first, np.float32(np.nan))

    return Classifier("partly", logits, (side, side, 1), 3, "0", False)


def test_one_answer_is_enough() -> None:
    images = np.zeros((40, 400, 400, 1), np.float32)  # of these, 15 are evaluated at a time
    with pytest.raises(InputError, match=r"^model partly returns NaN for every one of 40 images; "):
        check_answers(_classifier(400), images)
    images[39, 0, 0] = 1
    check_answers(_classifier(400), images)
    assert predict_classes(_classifier(400), images[38:]).tolist() == [0, 0]


def test_a_model_that_has_no_answer_to_flat_images_is_loaded() -> None:
    images = keras.Input((4, 4, 1))
    standardized = keras.layers.LayerNormalization(epsilon=0.0)(keras.layers.Flatten()(images))
    model = load_classifier(keras.Model(images, keras.layers.Dense(3)(standardized)))
    flat, noise = (
        np.full((1, 4, 4, 1), 0.5, np.float32),
        np.random.default_rng(0).random((1, 4, 4, 1)),
    )
    logits = predict_logits(model, np.concatenate([flat, noise.astype(np.float32)]))
    assert is_unanswered(logits).tolist() == [True, False]
    assert not model.probabilities
