"""Logistic regression on frozen features, both classes weighing the same however rare one is."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import sklearn.linear_model
import tqdm

from tfblindspots.errors import InputError

# Of each class: a tenth is held out.
LEAST_IMAGES = 10
_HELD_OUT = 0.1
_MAX_ITERATIONS = 300


class BinaryLogistic(NamedTuple):
    """A linear classifier of two classes, and how its weight decay was chosen."""

    kernel: np.ndarray  # float32 [n, 2], of features as they came: standardising is part of it
    bias: np.ndarray  # float32 [2]
    weight_decay: float  # the chosen one
    validation: dict[float, float]  # weight decay -> balanced accuracy on held-out images
    held_out: int  # images that these were measured on


def fit_binary_logistic(
    features: np.ndarray,
    labels: np.ndarray,
    weight_decays: Sequence[float],
    *,
    seed: int,
    progress: bool = False,
) -> BinaryLogistic:
    """Fits with the weight decay that does best on a tenth of the images, then on all of them.

    The loss is the mean cross-entropy, with the images of each class weighing one half in all, plus
    ``weight_decay / 2`` times the squared norm of the weights of the standardised features.

    Args:
      features: float32 [N, n].
      labels: int [N], 0 or 1.
      weight_decays: to choose from; of several that do equally well the largest is taken.
      seed: of the choice of held-out images, a tenth of each class.
      progress: shows a bar.

    Raises:
      InputError: a class has fewer than ``LEAST_IMAGES`` images.
    """
    fewest = int(np.bincount(labels, minlength=2).min())
    if fewest < LEAST_IMAGES:
        raise InputError(
            f"a class has {fewest} images to learn from; expected at least {LEAST_IMAGES} of "
            "each. Name a larger split."
        )
    generator = np.random.default_rng(seed)
    held_out = np.zeros(len(labels), bool)
    for label in (0, 1):
        members = np.flatnonzero(labels == label)
        held_out[generator.permutation(members)[: round(_HELD_OUT * members.size)]] = True
    # Zero for what never varies: its weight is 0 then, not infinite.
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 1e-6)
    standardised = (features - mean) * scale
    validation = {}
    with tqdm.tqdm(
        total=len(weight_decays) + 1, desc="logistic regression", unit="fit", disable=not progress
    ) as bar:
        for weight_decay in sorted(weight_decays, reverse=True):
            slope, offset = _fit(standardised[~held_out], labels[~held_out], weight_decay)
            answers = standardised[held_out] @ slope + offset > 0
            hits = [np.mean(answers[labels[held_out] == label] == label) for label in (0, 1)]
            validation[weight_decay] = float(np.mean(hits))
            bar.update()
        best = max(validation, key=validation.__getitem__)
        slope, offset = _fit(standardised, labels, best)
        bar.update()
    slope, offset = slope * scale, offset - float(mean @ (slope * scale))
    # Logits whose difference is that of the logistic regression.
    half = np.array([-0.5, 0.5], np.float32)
    return BinaryLogistic(
        kernel=np.outer(slope, half).astype(np.float32),
        bias=(offset * half).astype(np.float32),
        weight_decay=best,
        validation=validation,
        held_out=int(held_out.sum()),
    )


def _fit(features: np.ndarray, labels: np.ndarray, weight_decay: float) -> tuple[np.ndarray, float]:
    """Slope [n] and offset of the log odds of class 1."""
    model = sklearn.linear_model.LogisticRegression(
        # Scikit-learn's C multiplies the sum of the losses, of which there are N.
        C=1 / (weight_decay * len(labels)),
        class_weight="balanced",
        max_iter=_MAX_ITERATIONS,
        tol=1e-3,
    )
    model.fit(features, labels)
    return model.coef_[0].astype(np.float32), float(model.intercept_[0])
