"""All searches for an image in turn: from itself, from noisy starts; then the last step."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from absl import logging

from tfblindspots.attacks import search_state, segment
from tfblindspots.attacks.architecture import Network, Weights, trace
from tfblindspots.attacks.compiled_search import CompiledSearch
from tfblindspots.attacks.efforts import PHOTO, Effort, choose_effort
from tfblindspots.attacks.examples import AttackConfig
from tfblindspots.attacks.objectives import Goal, margin_and_loss
from tfblindspots.attacks.rolling_batch import Found, Images, RollingSearch
from tfblindspots.attacks.search_state import Problem
from tfblindspots.attacks.stages import SearchSettings
from tfblindspots.attacks.tfp_search import TfpSearch
from tfblindspots.errors import InputError, first_line
from tfblindspots.models import Classifier
from tfblindspots.solvers import DISTANCES

_TFP_MAX_EVALUATIONS = 5000
# Evaluations of the last step: margins along the segment, and the gradient for c.
_FINISH = segment.EVALUATIONS + 1
# Where few evaluations are allowed, the search needs them more than its end does.
_SHARE_FOR_MORE = 20
# Slots of the batch to which the last images move: at as many, XLA's rounding is that of more.
SMALL_BATCH = 64
# Images in work by default; of photos few, whose gradients fill the memory.
_BATCH, _PHOTO_BATCH = 256, 16
# Images whose search is of no further use, or none.
_UNSUCCESSFUL = (search_state.MISLED, search_state.NOT_FOUND)


class Searches(NamedTuple):
    """What is compiled for one architecture and configuration."""

    weights: Weights
    direct: RollingSearch | TfpSearch
    noisy: RollingSearch | None
    effort: Effort
    # (problem, adversarial points [B, n], more) -> nearer points [B, n]; c, margins taken [B].
    finish: Callable[[Problem, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]


def search_all(
    classifier: Classifier,
    config: AttackConfig,
    images: Images,
    progress: Callable[[int], object],
) -> tuple[Found, np.ndarray]:
    """Runs the searches that the effort asks for, and keeps the nearest image.

    Args:
      classifier: the model under attack.
      config: the attack.
      images: N to attack; their limit is set here.
      progress: called with the number of images done.

    Returns:
      What was found, and the paper's c for each, float32 [N]; 0 where nothing was.

    Raises:
      InputError: XLA was asked for and cannot compile the model.
    """
    count = len(images.original)
    if not count:
        progress(0)
        nothing = np.zeros(0, np.int64)
        return Found(images.original, nothing, nothing), np.zeros(0, np.float32)
    slots = slots_for(classifier, config)
    network = trace(classifier)
    tfp = config.solver == "tfp"
    effort = "standard" if tfp else config.effort  # TFP's minimiser knows no other
    searches = _compiled(network, config.norm, config.solver, effort, slots, config.xla)
    default = _TFP_MAX_EVALUATIONS if tfp else searches.effort.max_evaluations
    allowed = config.max_evaluations or default
    more = min(segment.MORE, allowed // _SHARE_FOR_MORE)
    limit = allowed - _FINISH - more
    images = images._replace(limit=np.full(count, limit, np.int64))
    with searches.weights.of(network):
        passes = 1 + (searches.effort.noisy_for_all if searches.noisy else 0)
        tell = _Progress(progress, count, passes)
        found = searches.direct.run(images, tell)
        for number in range(searches.effort.noisy_starts if searches.noisy else 0):
            wanted = np.isin(found.status, _UNSUCCESSFUL)
            if number < searches.effort.noisy_for_all:
                wanted |= found.status != search_state.NOT_FINITE
            rows = np.flatnonzero(wanted & (found.evaluations < limit))
            if not rows.size:
                break
            start = images.take(rows)
            start.key[:, 2] = number
            start.limit[:] -= found.evaluations[rows]
            assert searches.noisy
            tell.next_pass(number + 1, rows.size)
            again = searches.noisy.run(start, tell)
            _keep_nearer(found, again, rows, images.original)
        found.status[found.status == search_state.MISLED] = search_state.NOT_FOUND
        c = _finish(searches, images, found, slots, more)
    progress(count)
    return found, c


def slots_for(classifier: Classifier, config: AttackConfig) -> int:
    """Images in work at a time."""
    photos = math.prod(classifier.image_shape) > PHOTO
    return _slots(config.batch_size or (_PHOTO_BATCH if photos else _BATCH))


def changed(found: Found, originals: np.ndarray) -> np.ndarray:
    """Where an adversarial image was found, whatever ended the search: bool [N]."""
    return (found.image != originals).any(axis=1)


class _Progress:
    """Tells of images done over several passes; the number never falls."""

    def __init__(self, progress: Callable[[int], object], count: int, passes: int) -> None:
        """An image counts in as many parts as there are ``passes`` over all."""
        self._progress = progress
        self._count, self._passes = count, passes
        self._before = self._most = 0

    def next_pass(self, number: int, size: int) -> None:
        """Pass ``number`` begins, over ``size`` of the images."""
        self._before = (number + 1) * self._count - size

    def __call__(self, done: int) -> None:
        """Of this pass, so many images are done."""
        share = (self._before + done) // self._passes
        self._most = max(self._most, min(share, self._count))
        self._progress(self._most)


def _keep_nearer(found: Found, again: Found, rows: np.ndarray, originals: np.ndarray) -> None:
    """Takes over what another search found for the images ``rows``, where it is nearer."""
    original = originals[rows]
    before, after = (
        np.where(changed(result, original), np.linalg.norm(result.image - original, axis=1), np.inf)
        for result in (Found(*(field[rows] for field in found)), again)
    )
    nearer = (after < before) | np.isinf(before)
    found.image[rows[nearer]] = again.image[nearer]
    found.status[rows[nearer]] = again.status[nearer]
    found.evaluations[rows] += again.evaluations


def _finish(searches: Searches, images: Images, found: Found, slots: int, more: int) -> np.ndarray:
    """Moves what was found to the boundary, in place, and returns c [N]."""
    c = np.zeros(len(images.original), np.float32)
    hit = np.flatnonzero(changed(found, images.original))
    quantum = _quantum(slots)
    for first in range(0, len(hit), slots):
        rows = hit[first : first + slots]
        padded = np.resize(rows, -(-len(rows) // quantum) * quantum)
        image, weight, spent = searches.finish(
            images.take(padded).problem(),
            tf.constant(found.image[padded]),
            tf.constant(more, tf.int64),
        )
        found.image[rows] = image.numpy()[: len(rows)]
        c[rows] = weight.numpy()[: len(rows)]
        found.evaluations[rows] += spent.numpy()[: len(rows)] + 1
    return c


def _quantum(slots: int) -> int:
    """The model is called with multiples of so many images.

    At multiples of 16 TensorFlow's rounding is the same for any batch size; a small batch of large
    images would pay too much for it.
    """
    return 16 if slots > SMALL_BATCH else 1


def _on_gpu() -> bool:
    return bool(tf.config.list_physical_devices("GPU"))


def _slots(batch_size: int) -> int:
    return -(-batch_size // _quantum(batch_size)) * _quantum(batch_size)


@functools.lru_cache(maxsize=8)
def _compiled(
    network: Network, norm: str, solver: str, effort: str, slots: int, xla: bool | None
) -> Searches:
    """The searches; kept, since compiling costs seconds."""
    classifier = network.classifier
    chosen = xla if xla is not None else not network.convolutional or _on_gpu()
    chosen_effort = choose_effort(effort, network.convolutional, math.prod(classifier.image_shape))
    try:
        return _compile(network, norm, solver, chosen_effort, slots, chosen)
    # What XLA raises for an operation that it lacks depends on the operation.
    except tf.errors.OpError as error:
        if not chosen or isinstance(error, tf.errors.ResourceExhaustedError):
            raise
        if xla:
            raise InputError(
                f"model {classifier.name} cannot be compiled by XLA "
                f"({first_line(error)}); expected operations that XLA knows. "
                "Use xla off or auto."
            ) from None
        logging.info("XLA cannot compile model %s; it runs without.", classifier.name)
        return _compile(network, norm, solver, chosen_effort, slots, False)


def _compile(
    network: Network, norm: str, solver: str, effort: Effort, slots: int, xla: bool
) -> Searches:
    """The searches, with the model compiled by XLA or not."""
    classifier, weights = network.classifier, Weights(network)
    phi = DISTANCES[norm]

    def rolling(settings: SearchSettings) -> RollingSearch:
        # |r| has no curvature at the image to set the length of a first step by.
        settings = dataclasses.replace(settings, probe=settings.probe and norm == "squared_l2")

        def compile_search(size: int) -> CompiledSearch:
            # Maybe later, for another network of the architecture.
            # On a GPU the slots that are done cost less than to tell the host which they are.
            quantum = None if _on_gpu() else _quantum(slots)
            search = CompiledSearch(
                weights.classifier, phi, settings, slots=size, quantum=quantum, xla=xla
            )
            weights.add(search.advance)
            return search

        return RollingSearch(
            compile_search, [slots, SMALL_BATCH] if slots > SMALL_BATCH else [slots]
        )

    @functools.partial(tf.function, autograph=False)
    def finish(
        problem: Problem, found: tf.Tensor, more: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        def margin_loss(points: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            logits = classifier.logits(tf.reshape(points, [-1, *classifier.image_shape]))
            return margin_and_loss(logits, problem.goal, tf.ones_like(problem.margin))

        nearest, spent = segment.tighten(
            lambda points: margin_loss(points)[0], problem.original, problem.margin, found, more
        )
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(nearest)
            loss = margin_loss(nearest)[1]
        gradient = tape.gradient(loss, nearest, unconnected_gradients="zero")
        weight = segment.balancing_weight(phi, nearest, problem.original, gradient)
        return nearest, weight, spent

    points = tf.TensorSpec([None, math.prod(classifier.image_shape)], tf.float32)
    nothing = tf.TensorSpec([None, 0], tf.float32)
    integers, numbers = tf.TensorSpec([None], tf.int64), tf.TensorSpec([None], tf.float32)
    spec = Problem(points, Goal(integers, integers), numbers, nothing, integers)
    direct: RollingSearch | TfpSearch
    if solver == "tfp":
        direct, noisy = TfpSearch(classifier, phi, slots=slots, xla=xla), None
        weights.add(direct.minimize)
    else:
        direct, noisy = rolling(effort.direct), rolling(effort.noisy)
    direct.compile()
    finish_traced = finish.get_concrete_function(spec, points, tf.TensorSpec([], tf.int64))
    weights.add(finish_traced)
    return Searches(weights, direct, noisy, effort, finish_traced)
