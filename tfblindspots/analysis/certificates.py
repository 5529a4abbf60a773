"""What a bound of the Lipschitz constant proves: no blind spot is nearer (section 4.3)."""

import math
from typing import Any

import numpy as np


def certified_distances(
    outputs: np.ndarray,
    image_outputs: np.ndarray,
    spread: float,
    original: np.ndarray,
    image: np.ndarray,
    label: np.ndarray,
) -> dict[str, Any]:
    """How far adversarial images are from their originals, beside the distance proved to be safe.

    Where no difference of two outputs changes by more than ``spread * ||r||``, a change of norm
    below the margin over ``spread`` leaves the class; the margin is the true class's output less
    the largest other.

    Args:
      outputs: float [N, K], of the originals: logits, or anything else of which the largest is the
        class.
      image_outputs: float [N, K], of the images.
      spread: Lipschitz constant of the difference of any two outputs, see ``spread_of``.
      original: float32 [N, H, W, C].
      image: float32 [N, H, W, C].
      label: int64 [N], true classes.

    Returns:
      ``count`` of the pairs of which the original is classified correctly and the image is not, and
      over these: ``mean_certified`` and ``mean_found``, L2 distances; ``smallest_ratio`` and
      ``median_ratio``, of the distance found to the one certified; all None where there are none.
      No ratio below 1 is possible.
    """
    rows = np.arange(len(label))
    own = outputs[rows, label].astype(np.float64)
    others = outputs.astype(np.float64)
    others[rows, label] = -np.inf
    margins = own - others.max(axis=1)
    turned = (margins > 0) & (image_outputs.argmax(axis=1) != label)
    if not turned.any():
        keys = ("mean_certified", "mean_found", "smallest_ratio", "median_ratio")
        return {"count": 0} | dict.fromkeys(keys)
    certified = margins[turned] / spread
    change = image[turned].astype(np.float64) - original[turned]
    distances = np.linalg.norm(change.reshape(len(change), -1), axis=1)
    ratios = distances / certified
    return {
        "count": int(turned.sum()),
        "mean_certified": float(certified.mean()),
        "mean_found": float(distances.mean()),
        "smallest_ratio": float(ratios.min()),
        "median_ratio": float(np.median(ratios)),
    }


def spread_of(bound: float, units: int, probability: bool) -> float:
    """The Lipschitz constant of the difference of two classes' outputs.

    Args:
      bound: of the Lipschitz constant of the network's outputs, as one vector.
      units: number of these outputs. One output v stands for two classes: 0 and v, or 1 - v and v.
      probability: whether one output is a probability rather than a logit.
    """
    if units > 1:
        return math.sqrt(2) * bound
    return 2 * bound if probability else bound
