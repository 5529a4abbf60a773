"""What a bound of the Lipschitz constant proves: no blind spot is nearer (section 4.3)."""

import math
from typing import Any

import numpy as np


def certified_distances(
    outputs: np.ndarray,
    bound: float,
    original: np.ndarray,
    image: np.ndarray,
    label: np.ndarray,
) -> dict[str, Any]:
    """How far images are from their originals, beside the distance that is proved to be safe.

    Where the outputs change by at most L ||r||, the difference of two of them changes by at most
    sqrt(2) L ||r||. So a change of norm below margin / (sqrt(2) L) leaves the class, the margin
    being the true class's output less the largest other.

    Args:
      outputs: float [N, K], the network's of the originals: logits, or anything else of which the
        largest is the class.
      bound: L, of the network's Lipschitz constant.
      original: float32 [N, H, W, C].
      image: float32 [N, H, W, C], that have another class.
      label: int64 [N], true classes.

    Returns:
      ``count`` of originals that are classified correctly, and over these: ``mean_certified`` and
      ``mean_found``, L2 distances; ``smallest_ratio`` and ``median_ratio``, of the distance found
      to the one certified; all None where there are none. No ratio below 1 is possible.
    """
    outputs = outputs.astype(np.float64)  # a copy
    rows = np.arange(len(label))
    own = outputs[rows, label]
    outputs[rows, label] = -np.inf
    margins = own - outputs.max(axis=1)
    correct = margins > 0
    if not correct.any():
        keys = ("mean_certified", "mean_found", "smallest_ratio", "median_ratio")
        return {"count": 0} | dict.fromkeys(keys)
    certified = margins[correct] / (math.sqrt(2) * bound)
    change = image[correct].astype(np.float64) - original[correct]
    distances = np.linalg.norm(change.reshape(len(change), -1), axis=1)
    ratios = distances / certified
    return {
        "count": int(correct.sum()),
        "mean_certified": float(certified.mean()),
        "mean_found": float(distances.mean()),
        "smallest_ratio": float(ratios.min()),
        "median_ratio": float(np.median(ratios)),
    }
