"""What a training tells, while it runs, to whoever follows it."""

from collections.abc import Callable
from typing import NamedTuple

import keras


class Progress(NamedTuple):
    """How far a training has come."""

    stage: str  # what is trained: a model's name, or "code", an autoencoder's first part
    done: int  # of L-BFGS's iterations, of epochs, or of an autoencoder's steps
    total: int  # as many at most
    loss: float  # what is minimised, as it is now; of an epoch the mean
    model: keras.Model | None  # the network as it is now; None while only a part of it exists


Follow = Callable[[Progress], object]
