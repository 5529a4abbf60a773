"""The paper's attack with SciPy: L-BFGS-B an image at a time, and a bisection over c."""

from typing import NamedTuple

import numpy as np
import scipy.optimize
import tensorflow as tf

from tfblindspots.attacks.objectives import Goal, margin_and_loss
from tfblindspots.models import Classifier

_LOWEST, _HIGHEST = 1e-3, 1e4


class OneResult(NamedTuple):
    """What was found for one image."""

    image: np.ndarray  # float32 [H, W, C]; the original where nothing was found
    success: bool
    l2: float
    evaluations: int


def attack_one(
    classifier: Classifier, image: np.ndarray, label: int, target: int, *, values: int
) -> OneResult:
    """Minimises c ||r||^2 + loss in the box for ``values`` values of c, 40 evaluations each.

    Args:
      classifier: the model.
      image: float32 [H, W, C] in [0, 1].
      label: the class to leave.
      target: the class to reach, -1 for any other.
      values: of c, a bisection in log c.
    """
    evaluate = _evaluator(classifier)
    original = image.ravel().astype(np.float64)
    goal = (np.array([label], np.int64), np.array([target], np.int64))
    nearest, best, evaluations = np.inf, image, 0
    low, high, c, start = np.log(_LOWEST), np.log(_HIGHEST), 0.0, original

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal evaluations, nearest, best
        evaluations += 1
        point = x.reshape(1, *image.shape).astype(np.float32)
        loss, gradient, margin = evaluate(point, *goal)
        offset = x - original
        squared = float(offset @ offset)
        if margin.numpy()[0] < 0 and squared < nearest:
            nearest, best = squared, point[0]
        weight = np.exp(c)
        value = weight * squared + float(loss.numpy()[0])
        return value, 2 * weight * offset + gradient.numpy().ravel().astype(np.float64)

    for _ in range(values):
        result = scipy.optimize.minimize(
            objective,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, 1)] * original.size,
            options={"maxfun": 40},
        )
        point = result.x.reshape(1, *image.shape).astype(np.float32)
        if evaluate(point, *goal)[2].numpy()[0] < 0:
            low, start = c, result.x
        else:
            high = c
        c = (low + high) / 2
    return OneResult(best, np.isfinite(nearest), float(np.sqrt(nearest)), evaluations)


_EVALUATORS: dict[Classifier, tf.types.experimental.PolymorphicFunction] = {}


def _evaluator(classifier: Classifier) -> tf.types.experimental.PolymorphicFunction:
    """Loss, gradient and margin of one image, compiled once a model."""
    if classifier not in _EVALUATORS:

        @tf.function(autograph=False)
        def evaluate(
            image: tf.Tensor, label: tf.Tensor, target: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch(image)
                margin, loss = margin_and_loss(
                    classifier.logits(image), Goal(label, target), tf.ones(1)
                )
            return loss, tape.gradient(loss, image), margin

        _EVALUATORS[classifier] = evaluate
    return _EVALUATORS[classifier]
