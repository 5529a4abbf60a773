"""What an attack on a set of images came to, in numbers."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfblindspots.attacks import attacked as was_attacked

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def summarize_distortions(examples: Mapping[str, np.ndarray], seconds: float) -> dict[str, Any]:
    """Summarises adversarial examples: success, distortion, cost.

    An image is attacked when the model classifies it correctly; any other counts as an adversarial
    image of distortion 0, so that a set's own model errs on all of it, as in the paper's tables. An
    attack that fails has no distortion: it lowers the success rate and is left out of the means. An
    image for which the model returns NaN is not attacked and counts in ``count`` and ``statuses``.

    Args:
      examples: fields of an adversarial set by name, each [N] with N at least 1: ``label``,
        ``original_prediction``, ``success``, ``distortion``, ``evaluations``, ``status``; where
        they have 8-bit images, ``success_uint8`` and ``distortion_uint8``.
      seconds: how long the attack took, above 0.

    Returns:
      JSON-ready: ``count``, images; ``attacked``, those classified correctly; ``success_rate`` of
      the attacked ones; ``mean_distortion`` over all images (tables 1 to 4, "Av. min. distortion");
      ``mean_distortion_correct``, ``median_distortion_correct`` and ``quantiles`` (by
      probability) over the attacked ones; ``mean_evaluations`` for an attacked one; ``seconds``;
      ``images_per_second``; ``statuses``, images by the reason why their search ended; with 8-bit
      images ``success_rate_uint8``, the share of the attacked ones with success that have it in 8
      bits too, and over these ``mean_distortion_uint8`` and ``mean_ratio_uint8`` of their
      distortion in 8 bits over that as floats. What there are no images to compute from is None.
    """
    attacked = was_attacked(examples)
    success = examples["success"] == 1
    distortion = examples["distortion"].astype(np.float64)
    found = distortion[attacked & success]
    return {
        "count": len(distortion),
        "attacked": int(np.count_nonzero(attacked)),
        "success_rate": _mean(success[attacked]),
        "mean_distortion": _mean(distortion[success]),
        "mean_distortion_correct": _mean(found),
        "median_distortion_correct": float(np.median(found)) if found.size else None,
        "quantiles": {str(q): float(np.quantile(found, q)) for q in _QUANTILES if found.size},
        "mean_evaluations": _mean(examples["evaluations"][attacked]),
        "seconds": round(seconds, 3),
        "images_per_second": round(len(distortion) / seconds, 1),
        "statuses": dict(Counter(examples["status"].tolist()).most_common()),
        **(_eight_bit(examples, attacked & success) if "success_uint8" in examples else {}),
    }


def _eight_bit(examples: Mapping[str, np.ndarray], found: np.ndarray) -> dict[str, float | None]:
    """What of the images ``found``, bool [N], holds in 8 bits."""
    kept = found & (examples["success_uint8"] == 1)
    distortion = examples["distortion_uint8"][kept].astype(np.float64)
    # A model that answers at random may err on an unchanged image.
    before = examples["distortion"][kept]
    moved = before > 0
    return {
        "success_rate_uint8": _mean(kept[found]),
        "mean_distortion_uint8": _mean(distortion),
        "mean_ratio_uint8": _mean(distortion[moved] / before[moved]),
    }


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if values.size else None
