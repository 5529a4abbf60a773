"""What a model says of an image, NaN included.

The one rule: NaN counts as minus infinity. So the class of an image is that of the largest logit
that is a number, and class 0 where none is. An image with any NaN is unanswered: no attack begins.
"""

import numpy as np

from tfblindspots.data import Images
from tfblindspots.errors import InputError
from tfblindspots.models.classifier import Classifier, forward_batch_size, predict_logits


def most_likely_class(logits: np.ndarray) -> np.ndarray:
    """The class with the largest logit; NaN counts as minus infinity, and only that makes class 0.

    Args:
      logits: float [N, K].

    Returns:
      int64 [N].
    """
    return np.where(np.isnan(logits), -np.inf, logits).argmax(axis=1).astype(np.int64)


def is_unanswered(logits: np.ndarray) -> np.ndarray:
    """Of which images the model returns NaN: float [N, K] to bool [N]."""
    return np.isnan(logits).any(axis=1)


def predict_classes(
    classifier: Classifier, images: Images, batch_size: int | None = None
) -> np.ndarray:
    """The class with the largest logit, as ``most_likely_class`` has it.

    Args:
      classifier: the model.
      images: float32 [N, H, W, C], as for ``predict_logits``.
      batch_size: images at a time, as for ``predict_logits``.

    Returns:
      int64 [N].

    Raises:
      InputError: as ``predict_logits``.
    """
    return most_likely_class(predict_logits(classifier, images, batch_size))


def check_answers(classifier: Classifier, images: Images) -> None:
    """Rejects a model that returns NaN for every image; looks no farther than the first it answers.

    Args:
      classifier: the model.
      images: float32 [N, H, W, C], as for ``predict_logits``.

    Raises:
      InputError: it does, or as ``predict_logits``.
    """
    size = forward_batch_size(classifier.image_shape)
    for start in range(0, len(images), size):
        logits = predict_logits(classifier, images[start : start + size])
        if not is_unanswered(logits).all():
            return
    raise InputError(
        f"model {classifier.name} returns NaN for every one of {len(images)} images; expected "
        "numbers. Train it again or use another model."
    )
