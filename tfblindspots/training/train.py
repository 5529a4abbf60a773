"""Trains a defined network on a dataset, by the trainer that its definition names."""

from typing import Any

from tfblindspots.data import ImageDataset, in_memory
from tfblindspots.errors import InputError
from tfblindspots.models import ModelDefinition
from tfblindspots.training.autoencoder import fit_autoencoder
from tfblindspots.training.checkpoint import NO_CHECKPOINTS, Checkpoints
from tfblindspots.training.fit import fit_adam
from tfblindspots.training.lbfgs import fit_lbfgs
from tfblindspots.training.progress import Follow
from tfblindspots.training.result import TrainingResult

# Mostly for AE400-10's softmax, which is convex and, on a computed code, cheap.
_SOFTMAX_ITERATIONS = 300
# FC100-100-10 on MNIST: 0 % train error after about 200 iterations; the test error falls until 400.
_LBFGS_ITERATIONS = 400


def train(
    definition: ModelDefinition,
    dataset: ImageDataset,
    *,
    seed: int,
    max_iterations: int | None = None,
    frame_bound_penalty: float | None = None,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    follow: Follow | None = None,
    progress: bool = False,
) -> TrainingResult:
    """Builds a network and trains it on all images of a dataset.

    The same definition, dataset, seed and number of processor cores give bit-identical weights.

    Args:
      definition: the network, its weight decays and its trainer.
      dataset: to train on.
      seed: of the initial weights and of every random choice in training; at least 0.
      max_iterations: at most so many iterations of L-BFGS, or epochs where the trainer is ``fit``.
        By default what the paper's figures take.
      frame_bound_penalty: weight of ``FrameBoundPenalty`` in what is minimised; None for none.
        Only where the trainer is ``fit``.
      checkpoints: where the training goes on from, and is saved now and then: the weights become
        those of an uninterrupted one, bit by bit.
      follow: called after each iteration or epoch; changes nothing in the network.
      progress: shows a bar.

    Returns:
      A ``TrainingResult``.

    Raises:
      InputError: ``max_iterations`` is below 1, the network does not fit the dataset, or its loss
        became NaN or infinite.
    """
    if max_iterations is not None and max_iterations < 1:
        raise InputError(f"max_iterations is {max_iterations}; expected at least 1.")
    if frame_bound_penalty is not None and definition.trainer != "fit":
        raise InputError(
            f"model {definition.name} is trained by L-BFGS; frame_bound_penalty changes from step "
            "to step and needs a network trained by Adam, such as conv."
        )
    height, width, channels = dataset.images.shape[1:]
    model = definition.build((height, width, channels), dataset.num_classes, seed)
    images = in_memory(dataset.images, f"training {definition.name}")
    data = (images, dataset.labels, definition.weight_decays)
    shown: dict[str, Any] = {
        "checkpoints": checkpoints,
        "follow": follow,
        "progress": progress,
    }
    match definition.trainer:
        case "lbfgs":
            limit = max_iterations or _LBFGS_ITERATIONS
            return fit_lbfgs(model, *data, max_iterations=limit, **shown)
        case "autoencoder":
            limit = max_iterations or _SOFTMAX_ITERATIONS
            return fit_autoencoder(model, *data, seed=seed, max_iterations=limit, **shown)
        case "fit":
            return fit_adam(
                model,
                *data,
                seed=seed,
                epochs=max_iterations,
                frame_bound_penalty=frame_bound_penalty,
                **shown,
            )
        case unknown:
            raise InputError(
                f"model {definition.name} names the trainer '{unknown}'; expected 'lbfgs', "
                "'autoencoder' or 'fit'."
            )
