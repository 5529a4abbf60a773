"""Prediction over batches, and checks of what is put in."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.errors import InputError
from tfblindspots.models import (
    Classifier,
    check_images,
    check_labels,
    predict_classes,
    predict_logits,
)

_WEIGHTS = np.random.default_rng(1).normal(size=(12, 5)).astype(np.float32)
_IMAGES = np.random.default_rng(2).random((7, 2, 3, 2), np.float32)


def _classifier(logits: Callable[[tf.Tensor], tf.Tensor]) -> Classifier:
    return Classifier("linear", logits, (2, 3, 2), 5, "0", False)


def _linear(images: tf.Tensor) -> tf.Tensor:
    return tf.reshape(images, [-1, 12]) @ _WEIGHTS


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_predicts_every_image_in_order(batch_size: int) -> None:
    expected = _IMAGES.reshape(7, 12) @ _WEIGHTS
    logits = predict_logits(_classifier(_linear), _IMAGES, batch_size)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)
    classes = predict_classes(_classifier(_linear), _IMAGES, batch_size)
    assert classes.dtype == np.int64
    np.testing.assert_array_equal(classes, expected.argmax(axis=1))


def test_predicts_noise_outside_the_box() -> None:
    images = _IMAGES * 5 - 2
    logits = predict_logits(_classifier(_linear), images)
    np.testing.assert_allclose(logits, images.reshape(7, 12) @ _WEIGHTS, rtol=1e-4, atol=1e-5)


def test_many_predictions_do_not_warn_of_retracing(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(8):
        predict_logits(_classifier(_linear), _IMAGES, 4)
    assert not caplog.records


def test_accepts_images_and_labels_that_fit() -> None:
    check_images(_classifier(_linear), _IMAGES)
    check_images(_classifier(_linear), np.round(_IMAGES))  # the box's own ends
    check_labels(_classifier(_linear), np.array([0, 4, 2]))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            _IMAGES[0],
            r"^images have shape \[2, 3, 2\]; model linear expects float32 \[N, 2, 3, 2\],",
        ),
        (
            _IMAGES[..., :1],
            r"^images have shape \[7, 2, 3, 1\]; model linear expects.*colour for c",
        ),
        (_IMAGES[:, :, :2], r"\[7, 2, 2, 2\]; .* Load the data with --image_size=2,3 \(in Python"),
        (
            _IMAGES[:0],
            r"^images have shape \[0, 2, 3, 2\]; .* N at least 1\. Give at least one image\.$",
        ),
        (_IMAGES.astype(np.float64), "^images are float64; model linear expects float32"),
        ((_IMAGES * 255).astype(np.uint8), "^images are uint8; .* 8-bit images divided by 255"),
        (_IMAGES.tolist(), "^images are list; model linear expects float32"),
        (
            _IMAGES * 255,
            r"^images range from .* to 2\d\d.*; model linear expects values in \[0, 1\]",
        ),
        (_IMAGES - 1, r"^images range from -.*; model linear expects values in \[0, 1\]"),
        (_IMAGES * np.float32(np.nan), "^images range from nan to nan"),
    ],
)
def test_rejects_images(images: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        check_images(_classifier(_linear), images)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("images", [_IMAGES[0], _IMAGES[..., :1], _IMAGES[:0]])
def test_prediction_rejects_shapes_too(images: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"^images have shape"):
        predict_logits(_classifier(_linear), images)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0, 5]), "^labels range from 0 to 5; model linear has the classes 0 to 4"),
        (np.array([-1, 2]), "^labels range from -1 to 2; model linear has the classes 0 to 4"),
        (np.array([0.0, 1.0]), r"^labels have shape \(2,\) and type float64; expected one integer"),
        (
            np.eye(5, dtype=np.int64),
            r"^labels have shape \(5, 5\) and type int64; expected one int",
        ),
    ],
)
def test_rejects_labels(labels: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_labels(_classifier(_linear), labels)
