"""Cross-model tables of models whose classes are known."""

import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.analysis import ImageSet, clopper_pearson, cross_error_table
from tfblindspots.artifacts import to_json
from tfblindspots.errors import InputError
from tfblindspots.models import Classifier

_SHAPE = (1, 3, 1)


def _classifier(name: str, order: list[int]) -> Classifier:
    """A model whose logits are the three pixels, in some order."""

    def logits(images: tf.Tensor) -> tf.Tensor:
        return tf.gather(tf.reshape(images, [-1, 3]), order, axis=1)

    return Classifier(name, logits, _SHAPE, 3, "0", False)


def _images(brightest: list[int]) -> np.ndarray:
    return np.eye(3, dtype=np.float32)[brightest].reshape(-1, *_SHAPE)


def test_nan_counts_as_the_least_likely_class(caplog: pytest.LogCaptureFixture) -> None:
    def logits(images: tf.Tensor) -> tf.Tensor:
        flat = tf.reshape(images, [-1, 3])
        return tf.where(flat > 1, np.float32(np.nan), flat)

    model = Classifier("partly", logits, _SHAPE, 3, "0", False)
    bright = _images([0, 1, 2, 0])
    bright[[1, 3]] *= 2  # NaN where they are brightest: what is left is a tie of zeros
    labels = np.array([0, 1, 2, 1])
    (row,) = cross_error_table([model], [ImageSet("it", bright, labels, 0.0, None)])["rows"]
    assert row["cells"][0]["errors"] == 1
    assert [record.message for record in caplog.records] == [
        "model partly returns NaN for 2 of 4 images of set it, first number 1; NaN counts as the "
        "least likely class."
    ]
    everywhere = ImageSet("it", 2 * np.ones((4, *_SHAPE), np.float32), labels, 0.0, None)
    message = "^set it: model partly returns NaN for every one of 4 images; expected numbers. Train"
    with pytest.raises(InputError, match=message):
        cross_error_table([model], [everywhere])


def test_table() -> None:
    labels = np.array([0, 1, 2, 0])
    table = cross_error_table(
        [_classifier("straight", [0, 1, 2]), _classifier("swapped", [1, 0, 2])],
        [
            ImageSet("made", _images([1, 2, 0, 1]), labels, 0.25, "straight"),
            # Values outside [0, 1], as noise gives them, are fed as they are.
            ImageSet("noise", 3 * _images([0, 1, 2, 0]) - 1, labels, 0.1, None),
        ],
    )

    def cell(model: str, errors: int) -> dict[str, object]:
        low, high = clopper_pearson(errors, 4)
        rate = errors / 4
        return {
            "model": model,
            "errors": errors,
            "count": 4,
            "rate": rate,
            "low": low,
            "high": high,
        }

    assert table == {
        "columns": ["straight", "swapped"],
        "rows": [
            {
                "name": "made",
                "made_for": "straight",
                "mean_distortion": 0.25,
                # Swapped turns the classes 1, 2, 0, 1 into 0, 2, 1, 0.
                "cells": [cell("straight", 4), cell("swapped", 2)],
            },
            {
                "name": "noise",
                "made_for": None,
                "mean_distortion": 0.1,
                "cells": [cell("straight", 0), cell("swapped", 3)],
            },
        ],
    }
    to_json(table)


def test_refuses_images_that_do_not_fit_a_model() -> None:
    images = ImageSet("wide", np.zeros((2, 1, 4, 1), np.float32), np.zeros(2, int), 0.0, None)
    with pytest.raises(
        InputError, match=r"^set .*: images have shape \[2, 1, 4, 1\]; model straight expe"
    ):
        cross_error_table([_classifier("straight", [0, 1, 2])], [images])


def test_refuses_labels_that_are_no_classes_of_a_model() -> None:
    images = ImageSet("clean", _images([0, 1]), np.array([0, 3]), 0.0, None)
    with pytest.raises(
        InputError, match=r"^set .*: labels range from 0 to 3; model straight has the class"
    ):
        cross_error_table([_classifier("straight", [0, 1, 2])], [images])
