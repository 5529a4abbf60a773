"""8-bit adversarial images: the nearest grey levels, of those that a file of 8 bits can hold."""

import numpy as np

from tfblindspots.attacks.amplification import perturbation_sizes
from tfblindspots.attacks.examples import AttackConfig, EightBitExamples, FloatExamples
from tfblindspots.data import from_uint8, round_to_uint8
from tfblindspots.models import Classifier, predict_classes


def find_eight_bit(
    classifier: Classifier, found: FloatExamples, config: AttackConfig
) -> EightBitExamples:
    """Finds for each adversarial image one of 8 bits that is adversarial too, as near as may be.

    Args:
      classifier: the model under attack.
      found: N images and what the attack found for them.
      config: the attack.

    Returns:
      For each an 8-bit image. Where the search for it failed, or there was nothing to search from,
      that is the original, rounded.
    """
    levels = round_to_uint8(found.image)
    return judge_eight_bit(
        classifier, levels, found.original, found.label, found.target, found.original_prediction
    )


def judge_eight_bit(
    classifier: Classifier,
    levels: np.ndarray,
    original: np.ndarray,
    label: np.ndarray,
    target: np.ndarray,
    original_prediction: np.ndarray,
) -> EightBitExamples:
    """What 8-bit images come to, computed from these bytes.

    Args:
      classifier: the model under attack.
      levels: uint8 [N, H, W, C].
      original: float32 [N, H, W, C] in [0, 1].
      label: true classes, int64 [N].
      target: classes aimed at, -1 where there was none, int64 [N].
      original_prediction: int64 [N]. An image that is misclassified to begin with is a success
        with any class but the true one.

    Returns:
      The images, with ``success_uint8`` 1 where the model's class is what was sought.
    """
    image = from_uint8(levels)
    prediction = predict_classes(classifier, image)
    targeted = (target >= 0) & (original_prediction == label)
    success = np.where(targeted, prediction == target, prediction != label)
    return EightBitExamples(
        image_uint8=levels,
        prediction_uint8=prediction,
        success_uint8=success.astype(np.int64),
        distortion_uint8=perturbation_sizes(original, image)["distortion"],
    )
