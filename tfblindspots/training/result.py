"""What training gives back, whichever trainer did the work."""

from typing import NamedTuple

import keras


class TrainingResult(NamedTuple):
    """A trained model and how its training went."""

    model: keras.Model  # images float32 [N, H, W, C] in [0, 1] to logits float32 [N, K]
    converged: bool  # the trainer's criterion of convergence was met, not merely its limit
    iterations: int  # of L-BFGS, or epochs of stochastic training
    evaluations: int  # of the loss and its gradient: on all images (L-BFGS) or on a batch
    loss: float  # on the training images, weight decay included
    seconds: float  # wall clock
    message: str  # why training stopped
