"""Which class each image is to be turned into."""

import numpy as np

from tfblindspots.attacks.objectives import UNTARGETED
from tfblindspots.errors import InputError
from tfblindspots.models import most_likely_class


def choose_targets(
    target: str,
    logits: np.ndarray,
    labels: np.ndarray,
    indices: np.ndarray,
    seed: int,
) -> np.ndarray:
    """The target classes of each image.

    Args:
      target: as in ``AttackConfig``.
      logits: of the original images, float32 [N, K].
      labels: true classes, int64 [N].
      indices: positions in the source split, int64 [N]; random targets depend on these and the
        seed only, not on which images share the call.
      seed: at least 0.

    Returns:
      int64 [N, T]; T is 1, but K - 1 for ``"all"``. -1 where untargeted.

    Raises:
      InputError: the class number is no class of the model, or is the label or the prediction of
        an image.
    """
    count, classes = logits.shape
    predictions = most_likely_class(logits)
    rows = np.arange(count)
    if target == "untargeted":
        return np.full((count, 1), UNTARGETED)
    if target == "random":
        return np.array(
            [
                _random_class(classes, {label, prediction}, (seed, index))
                for label, prediction, index in zip(
                    labels.tolist(), predictions.tolist(), indices.tolist(), strict=True
                )
            ]
        )[:, None]
    if target in ("most_likely", "least_likely"):
        # Finite, so that NaN does not tie with the label.
        likelihood = np.where(np.isnan(logits), np.finfo(np.float64).min, logits)
        likelihood[rows, labels] = -np.inf if target == "most_likely" else np.inf
        chosen = likelihood.argmax(1) if target == "most_likely" else likelihood.argmin(1)
        return chosen[:, None]
    if target == "all":
        return (labels[:, None] + np.arange(1, classes)) % classes
    number = int(target)
    if number >= classes:
        raise InputError(f"target is class {number}; the model has the classes 0 to {classes - 1}.")
    there = (labels == number) | (predictions == number)
    if there.any():
        raise InputError(
            f"target {number} is already the true or predicted class of {there.sum()} of {count} "
            "images; expected another class. Leave these images out or name another target."
        )
    return np.full((count, 1), number)


def _random_class(classes: int, excluded: set[int], key: tuple[int, int]) -> int:
    candidates = [number for number in range(classes) if number not in excluded]
    # Of two classes, a misclassified image leaves none; it is not attacked.
    if not candidates:
        return UNTARGETED
    return candidates[np.random.default_rng(key).integers(len(candidates))]
