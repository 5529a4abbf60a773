"""Spot checks of minimum distortion: nothing adversarial on the way back to the original."""

from collections.abc import Mapping

import numpy as np

from tfblindspots.attacks import attacked, rms_distortion
from tfblindspots.data import from_uint8, round_to_uint8
from tfblindspots.models import Classifier, predict_classes

# Of the way from the original to the adversarial image; nearer by 1 % and more.
_SHARES = (0.99, 0.98, 0.97, 0.95, 0.925, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)


def sample_found(examples: Mapping[str, np.ndarray], count: int, seed: int) -> np.ndarray:
    """Draws examples that the attack turned.

    Args:
      examples: fields of a set, by name.
      count: how many to draw; all, where there are fewer.
      seed: of the draw.

    Returns:
      Their positions, ascending, int64 [at most count].
    """
    turned = attacked(examples) & (examples["success"] == 1)
    numbers = np.flatnonzero(turned & (examples["distortion"] > 0))
    drawn = np.random.default_rng(seed).permutation(numbers)[:count]
    return np.sort(drawn)


def nearest_shares(
    examples: Mapping[str, np.ndarray], classifier: Classifier, *, eight_bit: bool = False
) -> np.ndarray:
    """How near to the original, on the straight way to it, there still is an adversarial point.

    Args:
      examples: fields of a set, by name: successful ones, of distortion above 0.
      classifier: their model.
      eight_bit: the images hold 8-bit values, and so must the points; they lie beside the way.

    Returns:
      Of the points tried, the smallest distance to the original at which one is a success, as a
      share of the example's own; 1 where none at 0.99 of it or less is. float64 [N].
    """
    original, image = examples["original"], examples["image"]
    nearest = np.ones(len(image))
    own = rms_distortion(original, image)
    for share in _SHARES:
        points = np.clip(original + np.float32(share) * (image - original), 0, 1)
        if eight_bit:
            points = from_uint8(round_to_uint8(points))
        predictions = predict_classes(classifier, points)
        success = np.where(
            examples["target"] >= 0,
            predictions == examples["target"],
            predictions != examples["label"],
        )
        shares = rms_distortion(original, points) / own
        # At 0.99 itself rounding adds to it.
        counts = success & (shares < _SHARES[0] + 1e-4)
        nearest = np.where(counts, np.minimum(nearest, shares), nearest)
    return nearest
