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
