"""The attack: images in, minimum-distortion adversarial images and what became of each out."""

import functools
import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from absl import logging

from tfblindspots.attacks import boundary_search, segment
from tfblindspots.attacks.boundary_search import SearchSettings
from tfblindspots.attacks.examples import AdversarialExamples, AttackConfig
from tfblindspots.attacks.objectives import UNTARGETED, Goal, margin_and_loss
from tfblindspots.attacks.rolling_batch import Found, RollingSearch
from tfblindspots.attacks.targets import choose_targets
from tfblindspots.attacks.tfp_search import TfpSearch
from tfblindspots.errors import InputError, first_line
from tfblindspots.models import (
    Classifier,
    check_images,
    check_labels,
    predict_classes,
    predict_logits,
)
from tfblindspots.solvers import DISTANCES

MISCLASSIFIED = "already misclassified"
_STATUSES = {
    boundary_search.CONVERGED: "converged",
    boundary_search.LIMIT: "evaluation limit",
    boundary_search.NOT_FOUND: "no adversarial image found",
    boundary_search.NOT_FINITE: "not finite",
}
# Curvature pairs: with a cheap network the history's memory traffic is the cost, with
# convolutions the network is.
_DENSE_PAIRS, _CONVOLUTION_PAIRS = 1, 6
_MAX_EVALUATIONS = {"lbfgs": 150, "tfp": 5000}


def find_adversarial_examples(
    classifier: Classifier,
    images: np.ndarray,
    labels: np.ndarray,
    config: AttackConfig = AttackConfig(),  # noqa: B008 - frozen
    *,
    indices: np.ndarray | None = None,
    progress: Callable[[int], object] | None = None,
) -> AdversarialExamples:
    """Finds the nearest adversarial image of each image (Szegedy et al. 2013, section 4.1).

    An image that the model misclassifies to begin with is returned as it is: distortion 0,
    success 1, no evaluations. Where nothing is found the original is returned with success 0.

    Args:
      classifier: the model under attack.
      images: float32 [N, H, W, C] in [0, 1]; never modified.
      labels: true classes, int [N].
      config: the attack.
      indices: positions in the source split, int64 [N], of which random targets depend; None:
        0, 1, 2, ...
      progress: called now and then with the number of images done so far.

    Returns:
      The examples, in the order of the images.

    Raises:
      InputError: images or labels do not fit the model or each other, a class number as the target
        is the true or predicted class of an image, or the model returns NaN for an image.
    """
    check_images(classifier, images)
    check_labels(classifier, labels)
    labels = np.asarray(labels, np.int64)
    indices = np.arange(len(images)) if indices is None else np.asarray(indices, np.int64)
    if (indices < 0).any():
        raise InputError(f"an index is {indices.min()}; expected positions, at least 0.")
    for what, values in (("labels", labels), ("indices", indices)):
        if values.shape != (len(images),):
            raise InputError(
                f"there are {values.size} {what} for {len(images)} images; expected one each."
            )
    logits = predict_logits(classifier, images)
    targets = choose_targets(config.target, logits, labels, indices, config.seed)
    predictions = logits.argmax(axis=1)
    attacked = np.flatnonzero(predictions == labels)
    skipped = len(images) - len(attacked)

    choices = targets.shape[1]
    flat = images.reshape(len(images), -1)
    found = _search(
        classifier,
        config,
        np.repeat(flat[attacked], choices, axis=0),
        np.repeat(labels[attacked], choices),
        targets[attacked].ravel(),
        lambda done: progress(skipped + done // choices) if progress else None,
    )
    nearest, found = _nearest(found, flat[attacked], choices)

    adversarial = flat.copy()
    adversarial[attacked] = found.image
    # Images that are not attacked keep the one target drawn for them, of several none.
    target = targets[:, 0].astype(np.int64) if choices == 1 else np.full(len(images), UNTARGETED)
    target[attacked] = targets[attacked, nearest]
    c = np.zeros(len(images), np.float32)
    c[attacked] = found.c
    evaluations = np.zeros(len(images), np.int64)
    evaluations[attacked] = found.evaluations
    status = np.full(len(images), MISCLASSIFIED, dtype=object)
    status[attacked] = [_STATUSES[code] for code in found.status.tolist()]
    return _examples(
        classifier,
        adversarial,
        images,
        labels,
        predictions,
        target,
        indices,
        c,
        evaluations,
        status,
    )


def _examples(
    classifier: Classifier,
    adversarial: np.ndarray,
    images: np.ndarray,
    labels: np.ndarray,
    predictions: np.ndarray,
    target: np.ndarray,
    indices: np.ndarray,
    c: np.ndarray,
    evaluations: np.ndarray,
    status: np.ndarray,
) -> AdversarialExamples:
    """Recomputes everything that is claimed from the pixels that are returned."""
    stored = adversarial.reshape(images.shape)
    prediction = predict_classes(classifier, stored)
    success = np.where(target >= 0, prediction == target, prediction != labels)
    success |= predictions != labels
    change = adversarial.astype(np.float64) - images.reshape(adversarial.shape)
    l2 = np.sqrt(np.sum(change**2, axis=1))
    return AdversarialExamples(
        image=stored,
        original=images,
        label=labels,
        original_prediction=predictions.astype(np.int64),
        prediction=prediction,
        target=target,
        success=success.astype(np.int64),
        index=indices,
        c=c,
        distortion=(l2 / np.sqrt(change.shape[1])).astype(np.float32),
        l2=l2.astype(np.float32),
        linf=np.abs(change).max(axis=1).astype(np.float32),
        evaluations=evaluations,
        status=status,
    )


def _nearest(found: Found, originals: np.ndarray, choices: int) -> tuple[np.ndarray, Found]:
    """Of the results for each image's classes, the nearest; evaluations are added up."""
    repeated = np.repeat(originals, choices, axis=0)
    length = np.linalg.norm(found.image - repeated, axis=1)
    length[~_changed(found, repeated)] = np.inf
    chosen = length.reshape(-1, choices).argmin(axis=1)
    rows = np.arange(len(originals)) * choices + chosen
    nearest = Found(*(field[rows] for field in found))
    return chosen, nearest._replace(evaluations=found.evaluations.reshape(-1, choices).sum(axis=1))


def _changed(found: Found, originals: np.ndarray) -> np.ndarray:
    """Where an adversarial image was found, whatever ended the search: bool [N]."""
    return (found.image != originals).any(axis=1)


def _search(
    classifier: Classifier,
    config: AttackConfig,
    originals: np.ndarray,
    labels: np.ndarray,
    targets: np.ndarray,
    progress: Callable[[int], object],
) -> Found:
    """The search and the last step along the segment, for images [N, n] classified correctly."""
    if not len(originals):
        nothing = np.zeros(0, np.int64)
        return Found(originals, np.zeros(0, np.float32), nothing, nothing)
    search, tighten = _compiled(
        classifier,
        config.norm,
        config.solver,
        config.batch_size,
        config.max_evaluations or _MAX_EVALUATIONS[config.solver],
        config.xla,
    )
    found = search.run(originals, labels, targets, progress)
    slots = config.batch_size
    hit = np.flatnonzero(_changed(found, originals))
    for first in range(0, len(hit), slots):
        rows = hit[first : first + slots]
        padded = np.resize(rows, slots)
        tightened = tighten(
            tf.constant(originals[padded]),
            tf.constant(found.image[padded]),
            tf.constant(labels[padded].astype(np.int32)),
            tf.constant(targets[padded].astype(np.int32)),
        )
        found.image[rows] = tightened.numpy()[: len(rows)]
        found.evaluations[rows] += segment.EVALUATIONS
    return found


@functools.lru_cache(maxsize=2)
def _compiled(
    classifier: Classifier,
    norm: str,
    solver: str,
    slots: int,
    max_evaluations: int,
    xla: bool | None,
) -> tuple[RollingSearch | TfpSearch, Callable[..., tf.Tensor]]:
    """The search and the segment step; kept, since compiling costs seconds."""
    convolutional = _has_convolutions(classifier)
    if xla is not None:
        chosen = xla
    else:
        chosen = not convolutional or bool(tf.config.list_physical_devices("GPU"))
    try:
        return _compile(classifier, norm, solver, slots, max_evaluations, convolutional, chosen)
    # What XLA raises for an operation that it lacks depends on the operation.
    except tf.errors.OpError as error:
        if not chosen:
            raise
        if xla:
            raise InputError(
                f"model {classifier.name} cannot be compiled by XLA "
                f"({first_line(error)}); expected operations that XLA knows. "
                "Use xla off or auto."
            ) from None
        logging.info("XLA cannot compile model %s; it runs without.", classifier.name)
        return _compile(classifier, norm, solver, slots, max_evaluations, convolutional, False)


def _compile(
    classifier: Classifier,
    norm: str,
    solver: str,
    slots: int,
    max_evaluations: int,
    convolutional: bool,
    xla: bool,
) -> tuple[RollingSearch | TfpSearch, Callable[..., tf.Tensor]]:
    """The search and the segment step, compiled with XLA or without."""
    phi = DISTANCES[norm]
    spent_after = max_evaluations - segment.EVALUATIONS
    search: RollingSearch | TfpSearch
    if solver == "tfp":
        search = TfpSearch(classifier, phi, max_evaluations=spent_after, slots=slots, xla=xla)
    else:
        settings = SearchSettings(
            pairs=_CONVOLUTION_PAIRS if convolutional else _DENSE_PAIRS,
            max_evaluations=spent_after,
        )
        search = RollingSearch(classifier, phi, settings, slots=slots, xla=xla)

    @functools.partial(tf.function, jit_compile=xla, autograph=False)
    def tighten(
        original: tf.Tensor, found: tf.Tensor, label: tf.Tensor, target: tf.Tensor
    ) -> tf.Tensor:
        def margins(points: tf.Tensor) -> tf.Tensor:
            logits = classifier.logits(tf.reshape(points, [slots, *classifier.image_shape]))
            return margin_and_loss(logits, Goal(label, target), tf.ones(slots))[0]

        return segment.tighten(margins, original, found)

    points = tf.TensorSpec([slots, math.prod(classifier.image_shape)], tf.float32)
    classes = tf.TensorSpec([slots], tf.int32)
    search.compile()
    return search, tighten.get_concrete_function(points, points, classes, classes)


def _has_convolutions(classifier: Classifier) -> bool:
    """Whether the model's graph, functions that it calls included, holds a convolution."""
    spec = tf.TensorSpec([None, *classifier.image_shape], tf.float32)
    graph = tf.function(classifier.logits, autograph=False).get_concrete_function(spec).graph
    definition = graph.as_graph_def()
    nodes = [*definition.node, *(n for f in definition.library.function for n in f.node_def)]
    return any("Conv" in node.op for node in nodes)
