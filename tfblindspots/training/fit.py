"""Stochastic training by Keras, for networks that are not the paper's L-BFGS ones."""

import math
from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf
import tqdm

from tfblindspots.training.checkpoint import (
    NO_CHECKPOINTS,
    Checkpoints,
    assign_values,
    values_of,
)
from tfblindspots.training.frame_bound_penalty import FrameBoundPenalty
from tfblindspots.training.objective import (
    check_finite,
    mean_cross_entropy,
    weight_decay_penalty,
)
from tfblindspots.training.progress import Follow, Progress
from tfblindspots.training.result import TrainingResult

BATCH_SIZE = 128
_LEARNING_RATE = 2e-3
_STEPS = 3_000


class ShuffledBatches(keras.utils.PyDataset):
    """All images once an epoch, in an order that (seed, epoch) alone decides.

    Keras' own shuffling draws from NumPy's global generator, so that what else ran in the process
    would change the weights.
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray, seed: int, epoch: int = 0) -> None:
        super().__init__()
        self._images, self._labels, self._seed = images, labels, seed
        self._epoch = epoch
        self._shuffle()

    def _shuffle(self) -> None:
        generator = np.random.default_rng([self._seed, self._epoch])
        self._order = generator.permutation(len(self._labels))

    def __len__(self) -> int:
        """Batches an epoch."""
        return math.ceil(len(self._labels) / BATCH_SIZE)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Images [B, H, W, C] and labels [B] of a batch; the last may be smaller."""
        chosen = self._order[index * BATCH_SIZE : (index + 1) * BATCH_SIZE]
        return self._images[chosen], self._labels[chosen]

    def on_epoch_end(self) -> None:
        """Shuffles for the next epoch."""
        self._epoch += 1
        self._shuffle()


def _share(replica: tf.distribute.ReplicaContext, batch_labels: tf.Tensor) -> tf.Tensor:
    """The share of the whole batch's images that this replica has."""
    count = tf.cast(tf.size(batch_labels), tf.float32)
    return count / replica.all_reduce(tf.distribute.ReduceOp.SUM, count)


def fit_adam(
    model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    weight_decays: Mapping[str, float],
    *,
    seed: int,
    epochs: int | None = None,
    frame_bound_penalty: float | None = None,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    follow: Follow | None = None,
    progress: bool = False,
) -> TrainingResult:
    """Trains a model by Adam, its learning rate falling to 0 along a half cosine.

    In the scope of a ``tf.distribute`` strategy each batch is split between its devices.

    Args:
      model: gives logits [N, K]; its random layers (dropout) carry their own seeds.
      images: float32 [N, H, W, C] in [0, 1].
      labels: int64 [N].
      weight_decays: lambda by layer name, see ``weight_decay_penalty``.
      seed: of the order of the images.
      epochs: passes over the images; by default as many as make 3,000 steps.
      frame_bound_penalty: weight of ``FrameBoundPenalty``; None for none.
      checkpoints: where the training goes on from, and is saved at epochs' ends.
      follow: called after each epoch.
      progress: shows a bar.

    Returns:
      A ``TrainingResult`` whose model is ``model``; ``iterations`` are epochs, and ``converged`` is
      False, because a fixed number of noisy steps shows no convergence.

    Raises:
      InputError: the loss became NaN or infinite, or the penalty does not fit the model.
    """
    checkpoint = checkpoints.of(model.name)
    begun = 0 if checkpoint.state is None else int(checkpoint.state["epochs"])
    batches = ShuffledBatches(images, labels, seed, begun)
    epochs = epochs or math.ceil(_STEPS / len(batches))
    steps = epochs * len(batches)
    bounds = None if frame_bound_penalty is None else FrameBoundPenalty(model, frame_bound_penalty)

    def loss(batch_labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        classes = tf.cast(batch_labels, tf.int64)  # Keras hands them over as float32
        value = mean_cross_entropy(classes, logits)
        decay = weight_decay_penalty(model, weight_decays)
        replica = tf.distribute.get_replica_context()
        # None where Keras only looks at shapes. The gradients of several replicas are added up.
        if replica is not None and replica.num_replicas_in_sync > 1:
            return _share(replica, classes) * value + decay / replica.num_replicas_in_sync
        return value + decay if bounds is None else value + decay + bounds()

    # Compiling a second model over the same layers leaves the first as it was built: saved, it
    # brings neither an optimiser's state nor this function's loss.
    trained = keras.Model(model.inputs, model.outputs[0])
    trained.compile(
        optimizer=keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, steps)
        ),
        loss=loss,
        jit_compile=False,  # XLA makes convolutions on a CPU several times slower
    )
    trained.optimizer.build(trained.trainable_variables)
    # Among the model's are the states of its random layers.
    changing = [*trained.variables, *trained.optimizer.variables]
    if bounds is not None:
        changing += bounds.vectors
    if checkpoint.state is not None:
        assign_values(changing, checkpoint.state)
    with tqdm.tqdm(
        total=epochs, initial=begun, desc=model.name, unit="epoch", disable=not progress
    ) as bar:

        def after_epoch(epoch: int, logs: Mapping[str, float]) -> None:
            check_finite(logs["loss"], model.name, epoch + 1)
            if follow is not None:
                follow(Progress(model.name, epoch + 1, epochs, logs["loss"], model))
            checkpoint.save(
                lambda: {"epochs": epoch + 1, **values_of(changing)}, last=epoch + 1 == epochs
            )
            bar.update()
            bar.set_postfix(loss=f"{logs['loss']:.3g}")

        trained.fit(
            batches,
            initial_epoch=begun,
            epochs=epochs,
            shuffle=False,
            verbose=0,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=after_epoch)],
        )
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        # Keras splits no batch of an odd size for this; on one device there is nothing to split.
        value = sum(
            len(part) / len(labels) * float(loss(part, model(images[first : first + len(part)])))
            for first in range(0, len(labels), 1000)
            if len(part := labels[first : first + 1000])
        )
    else:
        value = trained.evaluate(images, labels, batch_size=1000, verbose=0)
    return TrainingResult(
        model=model,
        converged=False,
        iterations=epochs,
        evaluations=steps,
        loss=float(value),
        seconds=checkpoint.seconds,
        message=f"stopped after the {epochs} epochs that were asked for",
    )
