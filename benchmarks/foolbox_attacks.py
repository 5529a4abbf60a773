"""Foolbox's minimum-L2 attacks on a classifier, with Foolbox's own defaults but for the steps."""

import time
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfblindspots.models import Classifier

if not hasattr(np, "find_common_type"):
    # Foolbox 3.3.4 reaches it through EagerPy; NumPy 2 removed it.
    def _find_common_type(array_types: list, scalar_types: list) -> np.dtype:
        return np.result_type(*array_types, *scalar_types)

    np.find_common_type = _find_common_type  # type: ignore[attr-defined]

import eagerpy as ep
import foolbox


class ProjectedFMN(foolbox.attacks.L2FMNAttack):
    """FMN that keeps to its ball.

    Foolbox 3.3.4's own scales by min(1, norm / norm), which is always 1: it never projects.
    """

    def project(self, x: Any, x0: Any, epsilon: Any) -> Any:
        """The point of the L2 ball about x0 that is nearest to x (Pintor et al. 2021)."""
        norms = ep.maximum((x - x0).flatten(start=1).norms.l2(axis=-1), 1e-12)
        factor = ep.minimum(1, epsilon / norms)
        return x0 + (x - x0) * factor.reshape((-1, *[1] * (x.ndim - 1)))


ATTACKS = {
    "Foolbox DDN, 100 steps": lambda: foolbox.attacks.DDNAttack(steps=100),
    "Foolbox DDN, 1000 steps": lambda: foolbox.attacks.DDNAttack(steps=1000),
    "Foolbox FMN as shipped, 100 steps": lambda: foolbox.attacks.L2FMNAttack(steps=100),
    "Foolbox FMN, projection mended, 100 steps": lambda: ProjectedFMN(steps=100),
    "Foolbox FMN, projection mended, 1000 steps": lambda: ProjectedFMN(steps=1000),
    "Foolbox Carlini-Wagner, at most 9 x 1000 steps": lambda: foolbox.attacks.L2CarliniWagnerAttack(
        binary_search_steps=9, steps=1000
    ),
}


class Result(NamedTuple):
    """What an attack did with N images."""

    images: np.ndarray  # float32 [N, H, W, C]
    evaluations: float  # of the model, an image, as they were counted
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
    compiled = tf.function(classifier.logits, autograph=False, reduce_retracing=True)
    evaluations = 0

    def counted(points: tf.Tensor) -> tf.Tensor:
        nonlocal evaluations
        evaluations += 1
        return compiled(points)

    model = foolbox.TensorFlowModel(counted, bounds=(0, 1))
    batch = tf.constant(images)
    if (targets < 0).all():
        criterion = foolbox.criteria.Misclassification(tf.constant(labels, tf.int64))
    else:
        criterion = foolbox.criteria.TargetedMisclassification(tf.constant(targets, tf.int64))
    foolbox.attacks.DDNAttack(steps=2)(model, batch, criterion, epsilons=None)
    evaluations = 0
    start = time.perf_counter()
    found, _, _ = ATTACKS[name]()(model, batch, criterion, epsilons=None)
    seconds = time.perf_counter() - start
    return Result(found.numpy(), float(evaluations), seconds)
