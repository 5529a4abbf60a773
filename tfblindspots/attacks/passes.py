"""All searches for an image in turn: from itself, from noisy starts; then the last step."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from absl import logging

from tfblindspots import runtime
from tfblindspots.attacks import search_state, segment
from tfblindspots.attacks.architecture import Network, Weights, trace
from tfblindspots.attacks.batch_size import SMALL_BATCH, batch_in_use, quantum, slots_for
from tfblindspots.attacks.compiled_search import CompiledSearch
from tfblindspots.attacks.efforts import Effort, choose_effort
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
# Images whose search is of no further use, or none.
_UNSUCCESSFUL = (search_state.MISLED, search_state.NOT_FOUND)


class Searches(NamedTuple):
    """What is compiled for one architecture and configuration."""

    weights: Weights
    direct: RollingSearch | TfpSearch
    noisy: RollingSearch | None
    # (problem, adversarial points [B, n], more) -> nearer points [B, n]; c, margins taken [B].
    finish: Callable[[Problem, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]
    finish_multiple: int  # which takes multiples of so many images


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
      InputError: XLA was asked for and cannot compile the model, or memory does not suffice for one
        image in work.
    """
    count = len(images.original)
    if not count:
        progress(0)
        nothing = np.zeros(0, np.int64)
        return Found(images.original, nothing, nothing), np.zeros(0, np.float32)
    network = trace(classifier)
    tfp = config.solver == "tfp"
    name = "standard" if tfp else config.effort  # TFP's minimiser knows no other
    effort = choose_effort(name, network.convolutional, math.prod(classifier.image_shape))
    default = _TFP_MAX_EVALUATIONS if tfp else effort.max_evaluations
    allowed = config.max_evaluations or default
    more = min(segment.MORE, allowed // _SHARE_FOR_MORE)
    limit = allowed - _FINISH - more
    images = images._replace(limit=np.full(count, limit, np.int64))
    batch = batch_in_use(classifier, config)

    def attempt(work: Callable[[Searches, int], object], left: Callable[[], int]) -> None:
        def compiled_work(size: int) -> None:
            slots = slots_for(size)
            searches = _compiled(network, config.norm, config.solver, effort, slots, config.xla)
            with searches.weights.of(network):
                work(searches, slots)

        batch.attempt(compiled_work, left, forget=_compiled.cache_clear)

    def search(images: Images, noisy: bool) -> Found:
        found = Found.nothing(images.original)

        def work(searches: Searches, _: int) -> None:
            chosen = searches.noisy if noisy else searches.direct
            assert chosen
            chosen.run(images, found, tell)

        attempt(work, left=lambda: found.waiting().size)
        return found

    tell = _Progress(progress, count, passes=1 if tfp else 1 + effort.noisy_for_all)
    found = search(images, noisy=False)
    for number in range(0 if tfp else effort.noisy_starts):
        wanted = np.isin(found.status, _UNSUCCESSFUL)
        if number < effort.noisy_for_all:
            wanted |= found.status != search_state.NOT_FINITE
        rows = np.flatnonzero(wanted & (found.evaluations < limit))
        if not rows.size:
            break
        start = images.take(rows)
        start.key[:, 2] = number
        start.limit[:] -= found.evaluations[rows]
        tell.next_pass(number + 1, rows.size)
        _keep_nearer(found, search(start, noisy=True), rows, images.original)
    found.status[found.status == search_state.MISLED] = search_state.NOT_FOUND
    last = _LastStep(images, found, more)
    attempt(last.work, last.left)
    progress(count)
    return found, last.c


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


class _LastStep:
    """Moves what was found to the boundary, in place, and computes c."""

    def __init__(self, images: Images, found: Found, more: int) -> None:
        self._images, self._found, self._more = images, found, more
        self._hit = np.flatnonzero(changed(found, images.original))
        self._done = 0
        self.c = np.zeros(len(images.original), np.float32)  # [N]

    def left(self) -> int:
        """Images to be moved yet."""
        return self._hit.size - self._done

    def work(self, searches: Searches, slots: int) -> None:
        """Moves them, ``slots`` at a time."""
        while self.left():
            rows = self._hit[self._done : self._done + slots]
            count = rows.size
            multiple = searches.finish_multiple
            padded = np.resize(rows, -(-count // multiple) * multiple)
            image, weight, spent = searches.finish(
                self._images.take(padded).problem(),
                tf.constant(self._found.image[padded]),
                tf.constant(self._more, tf.int64),
            )
            moved = [tensor.numpy()[:count] for tensor in (image, weight, spent)]
            self._found.image[rows], self.c[rows] = moved[:2]
            self._found.evaluations[rows] += moved[2] + 1
            self._done += count


@functools.lru_cache(maxsize=8)
def _compiled(
    network: Network, norm: str, solver: str, effort: Effort, slots: int, xla: bool | None
) -> Searches:
    """The searches; kept, since compiling costs seconds."""
    classifier = network.classifier
    chosen = xla if xla is not None else not network.convolutional or runtime.on_gpu()
    try:
        return _compile(network, norm, solver, effort, slots, chosen)
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
        return _compile(network, norm, solver, effort, slots, False)


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
            multiple = None if runtime.on_gpu() else quantum(slots)
            search = CompiledSearch(
                weights.classifier, phi, settings, slots=size, quantum=multiple, xla=xla
            )
            search.compile()
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

    # On a GPU sizes that are not known beforehand would be fetched from there.
    rows = slots if runtime.on_gpu() else None
    points = tf.TensorSpec([rows, math.prod(classifier.image_shape)], tf.float32)
    nothing = tf.TensorSpec([rows, 0], tf.float32)
    integers, numbers = tf.TensorSpec([rows], tf.int64), tf.TensorSpec([rows], tf.float32)
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
    return Searches(weights, direct, noisy, finish_traced, rows or quantum(slots))
