"""Cross-model generalisation: which model errs how often on images made for another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from absl import logging

from tfblindspots.analysis.errors import error_rate
from tfblindspots.data import Images
from tfblindspots.errors import InputError
from tfblindspots.models import (
    Classifier,
    check_answers,
    check_labels,
    is_unanswered,
    most_likely_class,
    predict_logits,
)


@dataclass(frozen=True)
class ImageSet:
    """Images to feed to every model: a row of a cross-model table.

    Attributes:
      name: of the row.
      images: float32 [N, H, W, C], in memory or read when needed; noise may leave [0, 1].
      labels: true classes, int64 [N].
      distortion: mean over the images of the root mean square per pixel of what was changed.
      made_for: name of the model that the images are adversarial to; None for other images.
    """

    name: str
    images: Images
    labels: np.ndarray
    distortion: float
    made_for: str | None


def cross_error_table(
    classifiers: Sequence[Classifier], image_sets: Sequence[ImageSet]
) -> dict[str, Any]:
    """Measures every model's error on every set of images (section 4.2, tables 1 to 4).

    Args:
      classifiers: the columns.
      image_sets: the rows.

    Returns:
      JSON-ready: ``columns``, the models' names; ``rows``, each with ``name``, ``made_for``,
      ``mean_distortion`` and ``cells``, one a column: ``model`` and the fields of ``ErrorRate``.

    Raises:
      InputError: images or labels do not fit a model, or it returns NaN for all of a set.
    """
    return {
        "columns": [classifier.name for classifier in classifiers],
        "rows": [
            {
                "name": image_set.name,
                "made_for": image_set.made_for,
                "mean_distortion": image_set.distortion,
                "cells": [_cell(classifier, image_set) for classifier in classifiers],
            }
            for image_set in image_sets
        ],
    }


def _cell(classifier: Classifier, image_set: ImageSet) -> dict[str, Any]:
    try:
        check_labels(classifier, image_set.labels)
        check_answers(classifier, image_set.images)
        logits = predict_logits(classifier, image_set.images)
    except InputError as error:
        raise InputError(f"set {image_set.name}: {error}") from None
    unanswered = np.flatnonzero(is_unanswered(logits))
    if unanswered.size:
        logging.warning(
            "model %s returns NaN for %d of %d images of set %s, first number %d; NaN counts as "
            "the least likely class.",
            classifier.name,
            unanswered.size,
            len(logits),
            image_set.name,
            unanswered[0],
        )
    rate = error_rate(most_likely_class(logits), image_set.labels)
    return {"model": classifier.name, **rate._asdict()}
