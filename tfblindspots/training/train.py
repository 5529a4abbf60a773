"""Trains a defined network on a dataset, by the trainer that its definition names."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfblindspots.data import ImageDataset, in_memory
from tfblindspots.errors import InputError
from tfblindspots.models import ModelDefinition
from tfblindspots.training.autoencoder import fit_autoencoder
from tfblindspots.training.checkpoint import NO_CHECKPOINTS, Checkpoints
from tfblindspots.training.fit import BATCH_SIZE, fit_adam
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
    devices: Sequence[str] | None = None,
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
      devices: TensorFlow's names of devices, from ``runtime.use_devices``, between which each batch
        is split; the network is the same up to float noise, unless it has random layers. Only where
        the trainer is ``fit``. None: wherever TensorFlow puts it.
      checkpoints: where the training goes on from, and is saved now and then: the weights become
        those of an uninterrupted one, bit by bit.
      follow: called after each iteration or epoch; changes nothing in the network.
      progress: shows a bar.

    Returns:
      A ``TrainingResult``.

    Raises:
      InputError: ``max_iterations`` is below 1, the network does not fit the dataset, its loss
        became NaN or infinite, or it cannot be trained on these devices.
    """
    if max_iterations is not None and max_iterations < 1:
        raise InputError(f"max_iterations is {max_iterations}; expected at least 1.")
    if frame_bound_penalty is not None and definition.trainer != "fit":
        raise InputError(
            f"model {definition.name} is trained by L-BFGS; frame_bound_penalty changes from step "
            "to step and needs a network trained by Adam, such as conv."
        )
    if devices is not None:
        _check_devices(definition, frame_bound_penalty, len(devices), len(dataset.labels))
    height, width, channels = dataset.images.shape[1:]
    model = definition.build((height, width, channels), dataset.num_classes, seed)
    images = in_memory(dataset.images, f"training {definition.name}")
    data: tuple[Any, ...] = (images, dataset.labels, definition.weight_decays)
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
            shown |= {
                "seed": seed,
                "epochs": max_iterations,
                "frame_bound_penalty": frame_bound_penalty,
            }
            if devices is None:
                return fit_adam(model, *data, **shown)
            with tf.distribute.MirroredStrategy(list(devices)).scope():
                mirrored = definition.build((height, width, channels), dataset.num_classes, seed)
                result = fit_adam(mirrored, *data, **shown)
            # Saved, it is like any other.
            model.set_weights(mirrored.get_weights())
            return result._replace(model=model)
        case unknown:
            raise InputError(
                f"model {definition.name} names the trainer '{unknown}'; expected 'lbfgs', "
                "'autoencoder' or 'fit'."
            )


def _check_devices(
    definition: ModelDefinition, frame_bound_penalty: float | None, count: int, images: int
) -> None:
    if definition.trainer != "fit":
        raise InputError(
            f"model {definition.name} is trained by L-BFGS, on all images at once; devices split "
            "the batches of a network trained by Adam, such as conv. Leave them out."
        )
    if frame_bound_penalty is not None:
        raise InputError(
            "frame_bound_penalty is computed step by step on one device, and devices are given; "
            "leave one of them out."
        )
    batch = min(BATCH_SIZE, images)
    if batch % count:
        raise InputError(
            f"there are {count} devices for batches of {batch} images; expected a number that "
            f"divides {batch}."
        )
