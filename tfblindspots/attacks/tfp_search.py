"""The obvious alternative: ``tfp.optimizer.lbfgs_minimize`` and a bisection over c.

It knows no bounds, so the box is put inside the objective by clipping (a sigmoid transform was
measured to end at larger distortions), and its line search runs in lockstep over the batch.
"""

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfblindspots.attacks.objectives import Goal, margin_and_loss
from tfblindspots.attacks.rolling_batch import Found, Images
from tfblindspots.attacks.search_state import CONVERGED, LIMIT, NOT_FOUND
from tfblindspots.models import Classifier
from tfblindspots.solvers import Distance, WeightedDistance

# Values of c tried, and the first; each of the others halves the bracket's logarithm.
_VALUES = 12
_ITERATIONS = 50  # of the minimiser at each
_FIRST, _LOWEST, _HIGHEST = 1.0, 1e-4, 1e4


class TfpSearch:
    """The compiled search of one classifier."""

    def __init__(
        self,
        classifier: Classifier,
        phi: Distance,
        *,
        slots: int,
        xla: bool,
    ) -> None:
        """Prepares the search; see ``RollingSearch``.

        TFP's minimiser cannot be stopped half-way: the limit on evaluations is looked at before
        each value of c but the first, and may be passed by the last one's.
        """
        # Here, since it takes a second to import, which nobody else is to wait for.
        import tensorflow_probability as tfp

        self._lbfgs_minimize = tfp.optimizer.lbfgs_minimize
        self._classifier = classifier
        self._phi = phi
        self._slots = slots
        points = tf.TensorSpec([slots, math.prod(classifier.image_shape)], tf.float32)
        classes = tf.TensorSpec([slots], tf.int64)
        self.minimize = tf.function(
            self._minimize_at, jit_compile=xla, autograph=False
        ).get_concrete_function(
            points, points, Goal(classes, classes), tf.TensorSpec([slots], tf.float32)
        )

    def compile(self) -> None:
        """Has everything compiled now; see ``RollingSearch.compile``."""
        pixels = math.prod(self._classifier.image_shape)
        nothing = np.zeros(1, np.int64)
        self._run_batch(
            Images(
                original=np.zeros([1, pixels], np.float32),
                label=nothing,
                target=nothing + 1,
                margin=np.ones(1, np.float32),
                key=np.zeros([1, 3], np.int64),
                limit=nothing + 1,
            )
        )

    def run(
        self,
        images: Images,
        found: Found,
        progress: Callable[[int], object] = lambda done: None,
    ) -> None:
        """Searches the nearest adversarial image of each original; see ``RollingSearch.run``."""
        while (rows := found.waiting()[: self._slots]).size:
            for field, part in zip(found, self._run_batch(images.take(rows)), strict=True):
                field[rows] = part
            progress(len(found.status) - len(found.waiting()))

    def _run_batch(self, images: Images) -> Found:
        """Twelve values of c; short batches are filled up by repetition: all have one shape."""
        count = len(images.original)
        rows = np.resize(np.arange(count), self._slots)
        original = tf.constant(images.original[rows])
        goal = Goal(tf.constant(images.label[rows]), tf.constant(images.target[rows]))
        c = np.full(self._slots, _FIRST, np.float32)
        low, high = np.full_like(c, _LOWEST), np.full_like(c, _HIGHEST)
        best = np.array(original)
        nearest = np.full(self._slots, np.inf, np.float32)
        evaluations = 0
        converged = np.zeros(self._slots, bool)
        point = original
        stopped = False
        for _ in range(_VALUES):
            stopped = evaluations >= images.limit[0]
            if stopped:
                break
            found, margin, distance, spent, at_minimum = (
                part.numpy() for part in self.minimize(point, original, goal, tf.constant(c))
            )
            evaluations += int(spent)
            hit = margin < 0
            nearer = hit & (distance < nearest)
            best[nearer], nearest[nearer] = found[nearer], distance[nearer]
            converged = np.where(nearer, at_minimum, converged)
            low, high = np.where(hit, c, low), np.where(hit, high, c)
            c = np.sqrt(low * high)
        success = np.isfinite(nearest)
        status = np.where(success, np.where(converged & (not stopped), CONVERGED, LIMIT), NOT_FOUND)
        spent_each = np.full(self._slots, evaluations, np.int64)
        return Found(best[:count], spent_each[:count], status[:count])

    def _minimize_at(
        self, start: tf.Tensor, original: tf.Tensor, goal: Goal, c: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        """The minimisers at weights c [B]: points, margins, distances, evaluations, converged."""

        def boxed(z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            x = tf.clip_by_value(z, 0.0, 1.0)
            images = tf.reshape(x, [self._slots, *self._classifier.image_shape])
            margin, loss = margin_and_loss(self._classifier.logits(images), goal, tf.ones_like(c))
            return x, margin, loss

        def objective(z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(z)
                x, _, loss = boxed(z)
            # |r| has no derivative at 0, where the search starts, but phi knows what to take.
            inside = tf.cast((z >= 0.0) & (z <= 1.0), z.dtype)
            slope = tape.gradient(loss, z, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            return loss + distance.value(x), slope + inside * distance.gradient(x)

        distance = WeightedDistance(self._phi, c, original)
        result = self._lbfgs_minimize(objective, start, max_iterations=_ITERATIONS, tolerance=1e-4)
        x, margin, _ = boxed(result.position)
        return (
            x,
            margin,
            self._phi.value(x - original),
            result.num_objective_evaluations,
            result.converged,
        )
