"""The search for the nearest adversarial 8-bit image: rounds along a linearised margin's gradient.

The first direction is the float search's own perturbation. Where rounding makes that much longer, a
round takes the gradient at the best 8-bit image so far into it, and finds along it, by forward
passes, the least gain that is adversarial. The new gradient counts for a share only: on the way of
so long a step the margin is bent, and the mean of several gradients is better than each.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfblindspots.attacks import lattice
from tfblindspots.attacks.objectives import Goal, margin_and_loss
from tfblindspots.attacks.search_state import LARGEST, SMALLEST
from tfblindspots.models import Classifier
from tfblindspots.solvers import row_dot, row_norm

# Forward passes a round.
_PASSES = 4
# Where rounding lengthens the perturbation by more than this, its direction is worth improving.
_MUCH_LONGER = 1.05
# Of the loss whose gradient is taken, times the original's margin: classes in a near tie all count.
_SHARPNESS = 60.0

# Pixels in a batch from which on XLA spares more than its compiling, a second or two, costs.
_LARGE = 1 << 17


class LatticeState(NamedTuple):
    """B images of n pixels, in grey levels from 0 to 255. float32 unless said."""

    original: tf.Tensor  # u, whole or not, [B, n]
    goal: Goal
    margin: tf.Tensor  # of the original, [B]
    square: tf.Tensor  # of the float perturbation, [B]
    direction: tf.Tensor  # [B, n]; 0 where none is known
    point: tf.Tensor  # where the next gradient is taken: whole, [B, n]
    best: tf.Tensor  # the nearest adversarial point, whole, [B, n]
    best_square: tf.Tensor  # its squared distance from the original, [B]; LARGEST: none yet


class LatticeSearch:
    """The search, compiled for one classifier and number of images."""

    def __init__(self, classifier: Classifier, slots: int) -> None:
        """Traces; XLA compiles what is around the model, where that is large, at the first call.

        The model itself is not compiled by XLA: for so few passes that would cost more than it
        spares.

        Args:
          classifier: the model under attack.
          slots: B, images in work at a time.
        """
        self.slots = slots
        self._classifier = classifier
        pixels = math.prod(classifier.image_shape)
        large = slots * pixels >= _LARGE
        self._begin = _with_xla(_begin, large)
        self._turn = _with_xla(_turn, large)
        self._judge = _with_xla(_judge, large)
        self._levels = _with_xla(lattice.nearest_levels, large)
        points = tf.TensorSpec([slots, pixels], tf.float32)
        classes, numbers = tf.TensorSpec([slots], tf.int64), tf.TensorSpec([slots], tf.float32)
        goal = Goal(classes, classes)
        state = LatticeState(points, goal, numbers, numbers, points, points, points, numbers)
        # Concrete, so that one classifier after another is no retracing to TensorFlow.
        concrete = functools.partial(tf.function, autograph=False)
        self._start = concrete(self._first).get_concrete_function(points, points, goal)
        self._round = concrete(self._next).get_concrete_function(
            state, tf.TensorSpec([], tf.float32)
        )

    def run(
        self, original: np.ndarray, found: np.ndarray, goal: Goal, rounds: int, share: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Searches 8-bit images for at most B images.

        Args:
          original: float32 [M, n] in [0, 1].
          found: adversarial images near by, float32 [M, n]; equal to the original where it is
            adversarial itself.
          goal: int64 [M].
          rounds: at least 1.
          share: what a round's gradient counts for in the direction, beside what it was before.

        Returns:
          Levels uint8 [M, n], and where they are adversarial, bool [M]; elsewhere they are no use.
        """
        count = len(original)
        rows = np.resize(np.arange(count), self.slots)
        state = self._start(
            tf.constant(original[rows]),
            tf.constant(found[rows]),
            Goal(*(tf.constant(classes[rows]) for classes in goal)),
        )
        for _ in range(rounds):
            state = self._round(state, tf.constant(share))
        hit = state.best_square.numpy() < LARGEST
        return state.best.numpy()[:count].astype(np.uint8), hit[:count]

    def _first(self, original: tf.Tensor, found: tf.Tensor, goal: Goal) -> LatticeState:
        return self._begin(original, found, goal, self._margin(255.0 * original, goal))

    def _next(self, state: LatticeState, share: tf.Tensor) -> LatticeState:
        """One round."""
        sharpness = _SHARPNESS / tf.maximum(tf.abs(state.margin), SMALLEST)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(state.point)
            margin, loss = self._margin_and_loss(state.point, state.goal, sharpness)
        gradient = tape.gradient(loss, state.point, unconnected_gradients="zero")
        state, bracket = self._turn(state, margin, gradient, share)

        def one(
            step: tf.Tensor, state: LatticeState, bracket: lattice.Bracket
        ) -> tuple[tf.Tensor, LatticeState, lattice.Bracket]:
            point = self._levels(state.original, state.direction, bracket.gain)
            margin = self._margin(point, state.goal)
            return step + 1, *self._judge(state, bracket, point, margin)

        return tf.while_loop(lambda step, *_: step < _PASSES, one, (0, state, bracket))[1]

    def _margin(self, levels: tf.Tensor, goal: Goal) -> tf.Tensor:
        return self._margin_and_loss(levels, goal, tf.ones(self.slots))[0]

    def _margin_and_loss(
        self, levels: tf.Tensor, goal: Goal, sharpness: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        images = tf.reshape(levels / 255.0, [self.slots, *self._classifier.image_shape])
        return margin_and_loss(self._classifier.logits(images), goal, sharpness)


def _begin(original: tf.Tensor, found: tf.Tensor, goal: Goal, margin: tf.Tensor) -> LatticeState:
    """The float perturbation is the first direction: the mean of the gradients on its way."""
    levels = 255.0 * original
    change = 255.0 * found - levels
    squared = tf.maximum(row_dot(change, change), SMALLEST)
    direction = tf.maximum(margin / squared, 0.0)[:, None] * change
    return LatticeState(
        original=levels,
        goal=goal,
        margin=margin,
        square=squared,
        direction=direction,
        point=lattice.nearest_levels(levels, direction, margin),
        best=levels,
        best_square=tf.fill(tf.shape(margin), LARGEST),
    )


def _turn(
    state: LatticeState, margin: tf.Tensor, gradient: tf.Tensor, share: tf.Tensor
) -> tuple[LatticeState, lattice.Bracket]:
    """Takes the gradient at the state's point into its direction; the first gain to be tried."""
    state = _keep_best(state, state.point, margin)
    gradient = tf.where(tf.math.is_finite(gradient), gradient, 0.0)
    change = state.point - state.original
    longer = row_dot(change, change) > _MUCH_LONGER**2 * state.square
    part = tf.where(longer, share, 0.0)[:, None]
    direction = _unit(state.direction) - part * _unit(gradient)
    # In units of the margin: as it fell on the way to the point; where it did not, by its slope.
    along = row_dot(direction, change)
    fallen = state.margin - margin
    known = (along > 0) & (fallen > 0.1 * state.margin) & (state.margin > 0)
    # The loss's slope is at least half the margin's, where that is not negative.
    slope = tf.maximum(-row_dot(gradient, direction), SMALLEST)
    squared = tf.maximum(row_dot(direction, direction), SMALLEST)
    worth = tf.where(known, fallen / tf.maximum(along, SMALLEST), slope / squared)
    state = state._replace(direction=worth[:, None] * direction)
    return state, lattice.open_bracket(worth * along + margin)


def _judge(
    state: LatticeState, bracket: lattice.Bracket, point: tf.Tensor, margin: tf.Tensor
) -> tuple[LatticeState, lattice.Bracket]:
    """Takes note of the margin at a point of the bracket's gain."""
    state = _keep_best(state, point, margin)
    state = state._replace(
        point=tf.where((state.best_square < LARGEST)[:, None], state.best, point)
    )
    return state, lattice.close(bracket, margin, tf.abs(state.margin))


def _keep_best(state: LatticeState, point: tf.Tensor, margin: tf.Tensor) -> LatticeState:
    change = point - state.original
    square = row_dot(change, change)
    nearer = (margin < 0) & (square < state.best_square)
    return state._replace(
        best=tf.where(nearer[:, None], point, state.best),
        best_square=tf.where(nearer, square, state.best_square),
    )


def _unit(rows: tf.Tensor) -> tf.Tensor:
    return tf.math.divide_no_nan(rows, row_norm(rows)[:, None])


@functools.cache
def _with_xla(function: Callable[..., Any], wanted: bool) -> Callable[..., Any]:
    """Compiled once for a shape, whatever the classifier."""
    return tf.function(function, jit_compile=True, autograph=False) if wanted else function
