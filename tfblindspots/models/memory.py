"""Work on many images, in parts that memory allows for."""

import gc
from collections.abc import Callable

import tensorflow as tf
from absl import logging

from tfblindspots.errors import InputError, first_line

_OUT_OF_MEMORY = (tf.errors.ResourceExhaustedError, MemoryError)


class BatchSize:
    """How many images are in work at a time: halved where memory runs out, and then left so."""

    def __init__(self, size: int, model: str) -> None:
        """``size`` to begin with; ``model`` is its name, for messages."""
        self.size = size
        self._model = model

    def attempt(
        self,
        work: Callable[[int], object],
        left: Callable[[], int],
        forget: Callable[[], object] = lambda: None,
    ) -> None:
        """Calls ``work`` with the size, and again with half of it as long as memory runs out.

        Args:
          work: does what there is still to do, so many images at a time; what it has done by the
            time it runs out of memory it must not do again.
          left: how many images there are still to do, for the message.
          forget: gives back what is kept for the size that was too large.

        Raises:
          InputError: memory runs out with a single image.
        """
        while True:
            try:
                work(self.size)
                return
            except _OUT_OF_MEMORY as error:
                reason = first_line(error)
            # Not within the except block: there the error's frames keep the batch in memory.
            if self.size == 1:
                raise InputError(
                    f"model {self._model} runs out of memory with one image in work ({reason}); "
                    "expected memory for at least one. Free some, or use another machine or device."
                )
            smaller = self.size // 2
            logging.warning(
                "Model %s ran out of memory with %d images in work (%s); the %d images left go on "
                "with %d.",
                *(self._model, self.size, reason, left(), smaller),
            )
            self.size = smaller
            forget()
            gc.collect()
