"""Which images of a set were attacked: neither misclassified to begin with, nor given NaN."""

from collections.abc import Mapping

import numpy as np

NOT_FINITE = "not finite"


def unanswered(examples: Mapping[str, np.ndarray]) -> np.ndarray:
    """Images for which the model returned NaN before any search, so that there was none.

    Args:
      examples: fields of an adversarial set by name, each [N]: ``status``, ``evaluations``.

    Returns:
      bool [N]. A search that meets NaN or an infinity later has the same status, and evaluations.
    """
    return (examples["status"] == NOT_FINITE) & (examples["evaluations"] == 0)


def attacked(examples: Mapping[str, np.ndarray]) -> np.ndarray:
    """Images that were attacked.

    Args:
      examples: as ``unanswered``, with ``label`` and ``original_prediction``.

    Returns:
      bool [N].
    """
    return (examples["label"] == examples["original_prediction"]) & ~unanswered(examples)
