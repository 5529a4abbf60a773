"""Foolbox's minimum-L2 attacks on a classifier, with Foolbox's own defaults but for the steps."""

import time
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfblindspots.models import Classifier

if not hasattr(np, "find_common_type"):
    # Foolbox 3.3.4 reaches it through EagerPy; NumPy 2 removed it.
    def _find_common_type(array_types: list, scalar_types: list) -> np.dtype:
        return np.result_type(*array_types, *scalar_types)

    np.find_common_type = _find_common_type  # type: ignore[attr-defined]

import foolbox

# Name -> the attack and its gradient evaluations an image.
ATTACKS = {
    "Foolbox DDN, 100 steps": (lambda: foolbox.attacks.DDNAttack(steps=100), 100),
    "Foolbox DDN, 1000 steps": (lambda: foolbox.attacks.DDNAttack(steps=1000), 1000),
    "Foolbox FMN, 100 steps": (lambda: foolbox.attacks.L2FMNAttack(steps=100), 100),
    "Foolbox FMN, 1000 steps": (lambda: foolbox.attacks.L2FMNAttack(steps=1000), 1000),
    "Foolbox Carlini-Wagner, at most 9 x 1000 steps": (
        lambda: foolbox.attacks.L2CarliniWagnerAttack(binary_search_steps=9, steps=1000),
        9000,
    ),
}


class Result(NamedTuple):
    """What an attack did with N images."""

    images: np.ndarray  # float32 [N, H, W, C]
    evaluations: float  # of value and gradient, an image
    seconds: float


def run(
    name: str, classifier: Classifier, images: np.ndarray, labels: np.ndarray, targets: np.ndarray
) -> Result:
    """Runs an attack once, after a warm-up of two images' first steps.

    The model is compiled for it: Foolbox alone would call it operation by operation. Not by XLA,
    with which DDN measured slower, on FC100-100-10 too.

    Args:
      name: of ``ATTACKS``.
      classifier: the model under attack.
      images: float32 [N, H, W, C] in [0, 1], in one batch.
      labels: int [N].
      targets: int [N]; all -1: untargeted.
    """
    make, evaluations = ATTACKS[name]
    compiled = tf.function(classifier.logits, autograph=False, reduce_retracing=True)
    model = foolbox.TensorFlowModel(compiled, bounds=(0, 1))
    batch = tf.constant(images)
    if (targets < 0).all():
        criterion = foolbox.criteria.Misclassification(tf.constant(labels, tf.int64))
    else:
        criterion = foolbox.criteria.TargetedMisclassification(tf.constant(targets, tf.int64))
    foolbox.attacks.DDNAttack(steps=2)(model, batch, criterion, epsilons=None)
    start = time.perf_counter()
    found, _, _ = make()(model, batch, criterion, epsilons=None)
    seconds = time.perf_counter() - start
    return Result(found.numpy(), float(evaluations), seconds)
