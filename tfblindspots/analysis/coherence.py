"""How alike the images are that lie farthest along a direction, and whether units stand out.

The paper (section 3) judges by eye whether the images in a row of figures 1 to 4 have something in
common; these are numbers for it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

_RESAMPLES = 9_999


def label_coherence(labels: np.ndarray, num_classes: int) -> dict[str, np.ndarray]:
    """How much the images of each direction agree in their class.

    Args:
      labels: of the top k images, integers [D, k].
      num_classes: K.

    Returns:
      ``purity``: the share of the most frequent class, float64 [D] in [1 / k, 1];
      ``entropy`` of the classes in bits, float64 [D] in [0, log2 K], 0 when all are of one class.
    """
    shares = (labels[:, :, None] == np.arange(num_classes)).mean(axis=1)
    return {"purity": shares.max(axis=1), "entropy": stats.entropy(shares, base=2, axis=1)}


def mean_cosine_similarity(
    features: Callable[[np.ndarray], np.ndarray], top: np.ndarray
) -> np.ndarray:
    """The mean cosine similarity over all pairs of each direction's images.

    Args:
      features: from positions of images, integers [k], to float32 [k, n]: their pixels, or another
        model's activations.
      top: positions of the top k images, integers [D, k], k at least 2.

    Returns:
      float64 [D] in [-1, 1]. An image whose features are all 0 is as unlike as can be without
      being opposed: 0 with every other.
    """
    count = top.shape[1]
    similarities = np.empty(len(top))
    for i, rows in enumerate(top):
        values = features(rows)
        norms = np.linalg.norm(values, axis=1, keepdims=True)
        unit = np.divide(values, norms, out=np.zeros_like(values), where=norms > 0)
        # The squared norm of the sum is the sum over all pairs, each image with itself included.
        total = np.square(unit.sum(axis=0), dtype=np.float64).sum()
        itself = np.count_nonzero(norms)
        similarities[i] = (total - itself) / (count * (count - 1))
    return similarities


def compare(units: np.ndarray, directions: np.ndarray, seed: int) -> dict[str, Any]:
    """Tests whether a measure is higher along units than along random directions.

    Args:
      units: the measure of each unit, float64 [U], U at least 2.
      directions: of each direction, float64 [D], D at least 2.
      seed: of the resampling, at least 0.

    Returns:
      JSON-ready: ``units`` and ``directions``, the means; ``difference`` of the means with its 95 %
      bootstrap interval ``low`` to ``high``; ``p_value``, two-sided, of a permutation test of no
      difference (9,999 permutations, so at least 0.0002); ``effect_size``, Cliff's delta in
      [-1, 1]: how much more often a unit is above a direction than below, 0 for no difference.
    """

    def difference(first: np.ndarray, second: np.ndarray, axis: int = -1) -> np.ndarray:
        return first.mean(axis=axis) - second.mean(axis=axis)

    interval = stats.bootstrap(
        (units, directions),
        difference,
        vectorized=True,
        n_resamples=_RESAMPLES,
        batch=500,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    test = stats.permutation_test(
        (units, directions),
        difference,
        vectorized=True,
        n_resamples=_RESAMPLES,
        batch=500,
        rng=np.random.default_rng(seed),
    )
    above = stats.mannwhitneyu(units, directions).statistic / (len(units) * len(directions))
    return {
        "units": float(units.mean()),
        "directions": float(directions.mean()),
        "difference": float(units.mean() - directions.mean()),
        "low": float(interval.low),
        "high": float(interval.high),
        "p_value": float(test.pvalue),
        "effect_size": float(2 * above - 1),
    }
