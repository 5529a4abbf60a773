"""A rolling batch: a slot whose image is done takes the next one.

The cost is then the mean number of evaluations an image, not that of the batch's slowest. When no
images are left to take, the last ones move to a smaller batch.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfblindspots.attacks import reaching
from tfblindspots.attacks.compiled_search import CompiledSearch
from tfblindspots.attacks.objectives import Goal
from tfblindspots.attacks.search_state import RUNNING, Problem

# The share of done slots worth a refill, and the steps after which Python has its turn anyway.
_REFILL_SHARE = 1 / 8
_STEPS = 16


class Images(NamedTuple):
    """N images to attack, none of them adversarial."""

    original: np.ndarray  # float32 [N, n] in [0, 1]
    label: np.ndarray  # int64 [N]: the class to leave
    target: np.ndarray  # int64 [N]: the class to reach, -1: any other
    margin: np.ndarray  # float32 [N], positive: of the originals
    key: np.ndarray  # int64 [N, 3]: of the noisy starts: seed, index and number of the start
    limit: np.ndarray  # int64 [N]: of evaluations

    def take(self, rows: np.ndarray | slice) -> "Images":
        """The images ``rows`` [M]."""
        return Images(*(field[rows] for field in self))

    def problem(self, noisy: bool = False) -> Problem:
        """As tensors, with noise for the start or without."""
        original, label, target, margin, limit = map(
            tf.constant, (self.original, self.label, self.target, self.margin, self.limit)
        )
        if noisy:
            noise = tf.constant(reaching.noise(self.key, self.original.shape[1]))
        else:
            noise = tf.zeros([len(self.key), 0])
        return Problem(original, Goal(label, target), margin, noise, limit)


class Found(NamedTuple):
    """What a search found for N images of n pixels."""

    image: np.ndarray  # float32 [N, n]: the adversarial image, the original where none was found
    evaluations: np.ndarray  # int64 [N]
    status: np.ndarray  # int64 [N], of search_state


class RollingSearch:
    """A search for any number of images, in a few batches of fixed size."""

    def __init__(self, compile_search: Callable[[int], CompiledSearch], sizes: list[int]) -> None:
        """Compiles nothing yet.

        Args:
          compile_search: gives the search compiled for a number of slots; called once for each.
          sizes: numbers of slots, falling.
        """
        self._compile_search = compile_search
        self._sizes = sizes
        self._searches: dict[int, CompiledSearch] = {}

    def compile(self) -> None:
        """Has the smallest batch compiled now, with which every run ends.

        Raises:
          tf.errors.OpError: XLA cannot compile the model.
        """
        self._search(self._sizes[-1])

    def run(self, images: Images, progress: Callable[[int], object] = lambda done: None) -> Found:
        """Searches the nearest adversarial image of each original.

        Args:
          images: to attack.
          progress: called with the number of images done.
        """
        count = len(images.original)
        found = Found(images.original.copy(), np.zeros(count, np.int64), np.zeros(count, np.int64))
        search = self._search(self._fitting(count))
        state = search.empty
        owner = np.full(search.slots, -1)  # the image in each slot
        taken = done = 0
        while done < count:
            free = np.flatnonzero(owner < 0)[: count - taken]
            owner[free] = np.arange(taken, taken + free.size)
            taken += free.size
            working = self._worth_a_look(search.slots, count - taken)
            state = search.advance(
                state,
                *_spread(images.take(owner[free]).problem(search.noisy), free, search.slots),
                tf.constant(_STEPS, tf.int64),
                tf.constant(working, tf.int64),
            )
            status = state.status.numpy()
            ended = np.flatnonzero((owner >= 0) & (status != RUNNING))
            if np.count_nonzero(owner >= 0) - ended.size > working:
                continue
            rows = owner[ended]
            found.status[rows] = status[ended]
            found.image[rows] = tf.gather(state.best, ended).numpy()
            found.evaluations[rows] = state.evaluations.numpy()[ended]
            owner[ended] = -1
            done += ended.size
            progress(done)
            smaller = self._fitting(count - done)
            if smaller < search.slots:
                # Those in work first, done slots fill up.
                kept = np.argsort(owner < 0, kind="stable")[:smaller]
                search, owner = self._search(smaller), owner[kept]
                state = tf.nest.map_structure(functools.partial(tf.gather, indices=kept), state)
        return found

    def _worth_a_look(self, slots: int, waiting: int) -> int:
        """The number of images in work at which done slots are refilled or the batch shrinks."""
        if waiting:
            return slots - math.ceil(_REFILL_SHARE * slots)
        return max((size for size in self._sizes if size < slots), default=0)

    def _fitting(self, count: int) -> int:
        """The smallest batch that holds ``count`` images, the largest where none does."""
        return min((size for size in self._sizes if size >= count), default=self._sizes[0])

    def _search(self, slots: int) -> CompiledSearch:
        if slots not in self._searches:
            self._searches[slots] = self._compile_search(slots)
        return self._searches[slots]


def _spread(problem: Problem, slots: np.ndarray, count: int) -> tuple[tf.Tensor, Problem]:
    """Which of ``count`` slots are ``slots``, bool [count], and the problem's images put there."""
    chosen = np.zeros(count, bool)
    chosen[slots] = True

    def spread(field: tf.Tensor) -> tf.Tensor:
        rows = np.zeros([count, *field.shape[1:]], field.dtype.as_numpy_dtype)
        rows[slots] = field.numpy()
        return tf.constant(rows)

    return tf.constant(chosen), tf.nest.map_structure(spread, problem)
