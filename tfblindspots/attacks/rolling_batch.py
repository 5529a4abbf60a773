"""A rolling batch: a slot whose image is done takes the next one.

The cost is then the mean number of evaluations an image, not that of the batch's slowest. All
shapes are fixed, so everything is compiled once; memory is in proportion to slots x pixels x
curvature pairs and does not grow with the number of images.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfblindspots.attacks import boundary_search
from tfblindspots.attacks.boundary_search import SearchSettings, SearchState
from tfblindspots.attacks.objectives import Goal, margin_and_loss
from tfblindspots.models import Classifier
from tfblindspots.solvers import Distance

# Steps between two looks at which slots are done; the share of done slots worth a refill.
_STEPS = 4
_REFILL_SHARE = 1 / 16
_UNLIMITED = 1 << 30


class Found(NamedTuple):
    """What a search found for N images of n pixels."""

    image: np.ndarray  # float32 [N, n]: the adversarial image, the original where none was found
    c: np.ndarray  # float32 [N]: weight of the distance at which the minimiser reaches the boundary
    evaluations: np.ndarray  # int64 [N]
    status: np.ndarray  # int64 [N], of boundary_search


class RollingSearch:
    """The compiled search of one classifier."""

    def __init__(
        self,
        classifier: Classifier,
        phi: Distance,
        settings: SearchSettings,
        *,
        slots: int,
        xla: bool,
    ) -> None:
        """Traces the search; XLA compiles it at the first run.

        Args:
          classifier: the model under attack.
          phi: the distance to minimise.
          settings: of the search.
          slots: B, images in work at a time.
          xla: compile the model with XLA too, not only the optimiser around it.
        """
        self._classifier = classifier
        self._settings = settings
        self._slots = slots
        self._empty = self._empty_state(math.prod(classifier.image_shape))
        empty = self._empty
        # Concrete, so that one classifier after another is no retracing to TensorFlow.
        self._start = tf.function(self._refill, jit_compile=True).get_concrete_function(
            empty, empty.restart, empty.original, empty.goal.label, empty.goal.target
        )
        update = functools.partial(boundary_search.update, phi=phi, settings=settings)
        self._update = update if xla else tf.function(update, jit_compile=True)
        self._advance = tf.function(
            self._advance_steps, jit_compile=xla, autograph=False
        ).get_concrete_function(empty, tf.TensorSpec([], tf.int32))

    def compile(self) -> None:
        """Has everything compiled now; a run does it otherwise.

        Raises:
          tf.errors.OpError: XLA cannot compile the model.
        """
        self._advance(self._empty, tf.constant(0))

    def run(
        self,
        originals: np.ndarray,
        labels: np.ndarray,
        targets: np.ndarray,
        progress: Callable[[int], object] = lambda done: None,
    ) -> Found:
        """Searches the nearest adversarial image of each original.

        Args:
          originals: float32 [N, n] in [0, 1], none of them adversarial.
          labels: int [N], the classes to leave.
          targets: int [N], the classes to reach, -1 for any other.
          progress: called with the number of images done.
        """
        count = len(originals)
        found = Found(
            originals.copy(),
            np.zeros(count, np.float32),
            np.zeros(count, np.int64),
            np.zeros(count, np.int64),
        )
        owner = np.full(self._slots, -1)  # the image in each slot
        state = self._empty
        taken = done = 0
        while done < count:
            free = np.flatnonzero(owner < 0)[: count - taken]
            if free.size:
                owner[free] = np.arange(taken, taken + free.size)
                taken += free.size
                state = self._fill(state, free, owner[free], originals, labels, targets)
            state = self._advance(state, tf.constant(_STEPS if taken < count else _UNLIMITED))
            status = state.status.numpy()
            ended = np.flatnonzero((owner >= 0) & (status != boundary_search.RUNNING))
            running = np.count_nonzero(owner >= 0) - ended.size
            if running and ended.size < _REFILL_SHARE * self._slots:
                continue
            images = owner[ended]
            found.status[images] = status[ended]
            found.image[images] = tf.gather(state.best, ended).numpy()
            found.c[images] = state.threshold.numpy()[ended]
            found.evaluations[images] = state.evaluations.numpy()[ended]
            owner[ended] = -1
            done += ended.size
            progress(done)
        return found

    def _empty_state(self, pixels: int) -> SearchState:
        goal = Goal(*(tf.zeros(self._slots, tf.int32) for _ in Goal._fields))
        return boundary_search.start(
            tf.zeros([self._slots, pixels]),
            goal,
            tf.zeros(self._slots, tf.bool),
            self._settings,
        )

    def _fill(
        self,
        state: SearchState,
        free: np.ndarray,
        images: np.ndarray,
        originals: np.ndarray,
        labels: np.ndarray,
        targets: np.ndarray,
    ) -> SearchState:
        """Puts images into free slots."""
        chosen = np.zeros(self._slots, bool)
        chosen[free] = True
        rows = np.zeros(state.original.shape, np.float32)
        rows[free] = originals[images]
        label, target = np.zeros((2, self._slots), np.int32)
        label[free], target[free] = labels[images], targets[images]
        return self._start(
            state, tf.constant(chosen), tf.constant(rows), tf.constant(label), tf.constant(target)
        )

    def _advance_steps(self, state: SearchState, steps: tf.Tensor) -> SearchState:
        """So many evaluations of the batch, fewer where every image is done before."""

        def unfinished(step: tf.Tensor, state: SearchState) -> tf.Tensor:
            return (step < steps) & tf.reduce_any(state.status == boundary_search.RUNNING)

        def one(step: tf.Tensor, state: SearchState) -> tuple[tf.Tensor, SearchState]:
            trial = boundary_search.trial_point(state)
            sharpness = boundary_search.sharpness(state, self._settings)
            evaluation = self._evaluate(trial, state.goal, sharpness)
            return step + 1, self._update(state, trial, *evaluation)

        return tf.while_loop(unfinished, one, (0, state))[1]

    def _evaluate(
        self, points: tf.Tensor, goal: Goal, sharpness: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Loss [B], its gradient [B, n] and the margin [B] at points [B, n]."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(points)
            images = tf.reshape(points, [self._slots, *self._classifier.image_shape])
            margin, loss = margin_and_loss(self._classifier.logits(images), goal, sharpness)
        # A model may have no gradient at all, as behind a rounding: zero, then nothing is found.
        gradient = tape.gradient(loss, points, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return loss, gradient, margin

    def _refill(
        self,
        state: SearchState,
        chosen: tf.Tensor,
        originals: tf.Tensor,
        label: tf.Tensor,
        target: tf.Tensor,
    ) -> SearchState:
        """Starts the chosen slots [B] anew with originals [B, n], leaves the others as they are."""
        fresh = boundary_search.start(originals, Goal(label, target), chosen, self._settings)

        def merge(new: tf.Tensor, old: tf.Tensor) -> tf.Tensor:
            return tf.where(chosen if new.shape.rank == 1 else chosen[:, None], new, old)

        return tf.nest.map_structure(merge, fresh, state)
