"""The search of one classifier, compiled for a number of slots.

All shapes are fixed; memory is in proportion to slots x pixels x curvature pairs.
"""

import functools
import math
from collections.abc import Callable

import tensorflow as tf

from tfblindspots.attacks import boundary_search, search_state
from tfblindspots.attacks.objectives import Goal, margin_and_loss
from tfblindspots.attacks.search_state import RUNNING, Problem, SearchState
from tfblindspots.attacks.stages import SearchSettings
from tfblindspots.models import Classifier
from tfblindspots.solvers import Distance


class CompiledSearch:
    """Steps of the search for a batch of slots."""

    def __init__(
        self,
        classifier: Classifier,
        phi: Distance,
        settings: SearchSettings,
        *,
        slots: int,
        quantum: int | None,
        xla: bool,
    ) -> None:
        """Traces, and compiles with XLA what is compiled with it.

        Args:
          classifier: the model under attack.
          phi: the distance to minimise.
          settings: of the search.
          slots: B, images in work at a time.
          quantum: without XLA the model is called with multiples of so many images, to spare it
            the slots that are done; None: always with all, so that every shape is fixed.
          xla: compile the model with XLA too, not only the optimiser around it.

        Raises:
          tf.errors.OpError: XLA cannot compile the model.
        """
        self._classifier = classifier
        self._settings = settings
        pixels = math.prod(classifier.image_shape)
        self._quantum = quantum
        self._xla = xla
        self.slots = slots
        self.noisy = settings.noisy
        nothing = empty_problem(slots, pixels, settings.noisy)
        idle = tf.zeros(slots, tf.bool)
        # Slots without images.
        self.empty = search_state.start(nothing, idle, settings)
        steps = _steps(phi, settings) if xla else _compiled_steps(phi, settings, slots, pixels)
        self._refill, self._update = steps
        # Concrete, so that one classifier after another is no retracing to TensorFlow.
        # (state, chosen bool [B], problem, steps, working) -> the state, its chosen slots begun
        # anew, after so many evaluations or when at most so many slots are still in work.
        count = tf.TensorSpec([], tf.int64)
        self.advance = tf.function(
            self._advance, jit_compile=xla, autograph=False
        ).get_concrete_function(self.empty, idle, nothing, count, count)
        zero = tf.constant(0, tf.int64)
        self.advance(self.empty, idle, nothing, zero, zero)

    def _advance(
        self,
        state: SearchState,
        chosen: tf.Tensor,
        problem: Problem,
        steps: tf.Tensor,
        working: tf.Tensor,
    ) -> SearchState:
        def unfinished(step: tf.Tensor, state: SearchState) -> tf.Tensor:
            running = tf.cast(state.status == RUNNING, tf.int64)
            return (step < steps) & (tf.reduce_sum(running) > working)

        def one(step: tf.Tensor, state: SearchState) -> tuple[tf.Tensor, SearchState]:
            trial = boundary_search.trial_point(state)
            sharpness = search_state.sharpness(state, self._settings)
            work = (state.problem.goal, trial, sharpness)
            if self._xla or self._quantum is None:
                evaluation = self._evaluate(*work)
            else:
                running = state.status == RUNNING
                evaluation = self._evaluate_running(running, *work)
            return step + 1, self._update(state, trial, *evaluation)

        begun = tf.constant(0, tf.int64), self._refill(state, chosen, problem)
        return tf.while_loop(unfinished, one, begun)[1]

    def _evaluate_running(
        self, running: tf.Tensor, goal: Goal, points: tf.Tensor, sharpness: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """As ``_evaluate``, sparing the model the slots that are done, zero there."""
        # Done slots last.
        order = tf.argsort(tf.cast(running, tf.int32), direction="DESCENDING", stable=True)
        count = tf.reduce_sum(tf.cast(running, tf.int32))
        rows = order[: -(-count // self._quantum) * self._quantum]
        values = self._evaluate(
            *tf.nest.map_structure(lambda x: tf.gather(x, rows), (goal, points, sharpness))
        )
        return tuple(
            tf.scatter_nd(rows[:, None], value, [self.slots, *value.shape[1:]]) for value in values
        )

    def _evaluate(
        self, goal: Goal, points: tf.Tensor, sharpness: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Loss [B], its gradient [B, n] and the margin [B] at points [B, n]."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(points)
            images = tf.reshape(points, [-1, *self._classifier.image_shape])
            images = tf.ensure_shape(images, [points.shape[0], *self._classifier.image_shape])
            margin, loss = margin_and_loss(self._classifier.logits(images), goal, sharpness)
        # A model may have no gradient at all, as behind a rounding: zero, then nothing is found.
        gradient = tape.gradient(loss, points, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return loss, gradient, margin


def _steps(
    phi: Distance, settings: SearchSettings
) -> tuple[Callable[..., SearchState], Callable[..., SearchState]]:
    """What has no part of the model in it: the beginning anew of slots, and ``update``."""

    def begin(state: SearchState, chosen: tf.Tensor, problem: Problem) -> SearchState:
        fresh = search_state.start(problem, chosen, settings)

        def merge(new: tf.Tensor, old: tf.Tensor) -> tf.Tensor:
            return tf.where(chosen if new.shape.rank == 1 else chosen[:, None], new, old)

        return tf.nest.map_structure(merge, fresh, state)

    return begin, functools.partial(boundary_search.update, phi=phi, settings=settings)


@functools.lru_cache(maxsize=8)
def _compiled_steps(
    phi: Distance, settings: SearchSettings, slots: int, pixels: int
) -> tuple[Callable[..., SearchState], Callable[..., SearchState]]:
    """The same, compiled by XLA for one shape of the batch: one model after another uses it."""
    begin, update = (
        tf.function(step, jit_compile=True, autograph=False) for step in _steps(phi, settings)
    )
    return begin, update


def empty_problem(slots: int, pixels: int, noisy: bool) -> Problem:
    """Zeros in the place of images."""
    integers = tf.zeros(slots, tf.int64)
    return Problem(
        original=tf.zeros([slots, pixels]),
        goal=Goal(integers, integers),
        margin=tf.zeros(slots),
        noise=tf.zeros([slots, pixels if noisy else 0]),
        limit=integers,
    )
