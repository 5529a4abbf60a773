"""The float attack: images in, the nearest adversarial ones and what became of each out."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfblindspots.attacks import search_state
from tfblindspots.attacks.amplification import perturbation_sizes
from tfblindspots.attacks.examples import AttackConfig, FloatExamples
from tfblindspots.attacks.objectives import UNTARGETED, Goal, judge, margin_and_loss
from tfblindspots.attacks.passes import changed, search_all
from tfblindspots.attacks.rolling_batch import Found, Images
from tfblindspots.attacks.targets import choose_targets
from tfblindspots.attacks.unanswered import NOT_FINITE
from tfblindspots.errors import InputError
from tfblindspots.models import (
    Classifier,
    check_images,
    check_labels,
    is_unanswered,
    most_likely_class,
    predict_logits,
)

MISCLASSIFIED = "already misclassified"
NOT_FOUND = "no adversarial image found"
_STATUSES = {
    search_state.CONVERGED: "converged",
    search_state.LIMIT: "evaluation limit",
    search_state.NOT_FOUND: NOT_FOUND,
    search_state.NOT_FINITE: NOT_FINITE,
}


def find_float_examples(
    classifier: Classifier,
    images: np.ndarray,
    labels: np.ndarray,
    config: AttackConfig = AttackConfig(),  # noqa: B008 - frozen
    *,
    indices: np.ndarray | None = None,
    progress: Callable[[int], object] | None = None,
) -> FloatExamples:
    """Finds the nearest adversarial image of each image (Szegedy et al. 2013, section 4.1).

    Pixels are any numbers in [0, 1], which files of 8 bits do not hold. An image that the model
    misclassifies to begin with is returned as it is: distortion 0, success 1, no evaluations. Where
    nothing is found the original is returned with success 0, and where the model returns NaN for
    what was found, status "not finite". One whose logits or gradient are not finite is given up
    after that evaluation with the same status. So is, without any evaluation, one for which the
    model returns NaN to begin with; its prediction is by ``most_likely_class``.

    Args:
      classifier: the model under attack.
      images: float32 [N, H, W, C] in [0, 1]; never modified.
      labels: true classes, int [N].
      config: the attack; its ``bits`` play no part here.
      indices: positions in the source split, int64 [N], on which random targets and noisy
        starts depend; None: 0, 1, 2, ...
      progress: called now and then with the number of images done so far.

    Returns:
      The examples, in the order of the images.

    Raises:
      InputError: images or labels do not fit the model or each other, a class number as the target
        is the true or predicted class of an image.
    """
    check_images(classifier, images)
    check_labels(classifier, labels)
    labels = np.asarray(labels, np.int64)
    indices = np.arange(len(images)) if indices is None else np.asarray(indices)
    if not np.issubdtype(indices.dtype, np.integer) or (indices < 0).any():
        raise InputError(
            f"indices are {indices.dtype} from {indices.min()}; expected whole numbers of at least "
            "0, positions in the split."
        )
    for what, values in (("labels", labels), ("indices", indices)):
        if values.shape != (len(images),):
            raise InputError(
                f"there are {values.size} {what} for {len(images)} images; expected one each."
            )
    logits = predict_logits(classifier, images)
    targets = choose_targets(config.target, logits, labels, indices, config.seed)
    predictions, unanswered = most_likely_class(logits), is_unanswered(logits)
    attacked = np.flatnonzero((predictions == labels) & ~unanswered)
    skipped = len(images) - len(attacked)

    choices = targets.shape[1]
    flat = images.reshape(len(images), -1)
    rows = np.repeat(attacked, choices)
    goal = Goal(labels[rows], targets[attacked].ravel().astype(np.int64))
    margins, _ = margin_and_loss(tf.constant(logits[rows]), goal, tf.ones(len(rows)))
    key = np.stack(
        [np.full(len(rows), config.seed), indices[rows], np.zeros(len(rows), int)], axis=1
    )
    found, found_c = search_all(
        classifier,
        config,
        Images(flat[rows], *goal, margins.numpy(), key, goal.label),
        lambda done: progress(skipped + done // choices) if progress else None,
    )
    nearest, chosen = _nearest(found, flat[attacked], choices)

    adversarial = flat.copy()
    adversarial[attacked] = found.image[chosen]
    # Images that are not attacked keep the one target drawn for them, of several none.
    target = targets[:, 0].astype(np.int64) if choices == 1 else np.full(len(images), UNTARGETED)
    target[attacked] = targets[attacked, nearest]
    c = np.zeros(len(images), np.float32)
    c[attacked] = found_c[chosen]
    evaluations = np.zeros(len(images), np.int64)
    evaluations[attacked] = found.evaluations.reshape(-1, choices).sum(axis=1)
    status = np.where(unanswered, NOT_FINITE, MISCLASSIFIED).astype(object)
    status[attacked] = [_STATUSES[code] for code in found.status[chosen].tolist()]
    # From here on everything that is claimed is computed from the pixels that are returned.
    stored = adversarial.reshape(images.shape)
    found_logits = predict_logits(classifier, stored)
    # A model that answers at random may change its mind on an image that was not attacked; and
    # what was found, but is not answered, is as good as nothing.
    kept = unanswered | (predictions != labels)
    lost = is_unanswered(found_logits) & ~kept
    stored[lost], c[lost], status[lost] = images[lost], 0, NOT_FINITE
    kept |= lost
    found_logits[kept] = logits[kept]
    prediction, success = judge(found_logits, labels, target, predictions)
    return FloatExamples(
        image=stored,
        original=images,
        label=labels,
        original_prediction=predictions,
        prediction=prediction,
        target=target,
        success=success.astype(np.int64),
        index=indices.astype(np.int64),
        c=c,
        evaluations=evaluations,
        status=status,
        **perturbation_sizes(images, stored),
    )


def _nearest(found: Found, originals: np.ndarray, choices: int) -> tuple[np.ndarray, np.ndarray]:
    """Of the results for each image's classes, the nearest: its class's number, and its row."""
    repeated = np.repeat(originals, choices, axis=0)
    length = np.linalg.norm(found.image - repeated, axis=1)
    length[~changed(found, repeated)] = np.inf
    nearest = length.reshape(-1, choices).argmin(axis=1)
    return nearest, np.arange(len(originals)) * choices + nearest
