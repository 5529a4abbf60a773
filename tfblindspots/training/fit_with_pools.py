"""Stochastic training with adversarial pools, and the regularisers it is compared with (E7)."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tqdm

from tfblindspots.errors import InputError
from tfblindspots.training.adversarial_pool import AdversarialPool
from tfblindspots.training.checkpoint import (
    NO_CHECKPOINTS,
    Checkpoints,
    assign_values,
    values_of,
)
from tfblindspots.training.layer_chain import IMAGES, Dropout, LayerChain
from tfblindspots.training.objective import (
    check_finite,
    mean_cross_entropy,
    weight_decay_penalty,
)
from tfblindspots.training.progress import Follow, Progress
from tfblindspots.training.result import TrainingResult

_EPOCHS = 40
_LEAST_STEPS = 1_500  # what a small dataset takes, however few steps its epochs are
_BATCH_SIZE = 100
_LEARNING_RATE = 2e-3


@dataclass(frozen=True)
class Regularization:
    """What keeps a network from fitting its training images only, besides pools.

    Attributes:
      weight_decay: the loss gains it times the sum of all squared connection weights.
      pixel_dropout: share of the pixels that a step sets to 0.
      unit_dropout: the same of the units of hidden layers.
    """

    weight_decay: float = 0.0
    pixel_dropout: float = 0.0
    unit_dropout: float = 0.0

    def __post_init__(self) -> None:
        """Rejects what is no share or no weight."""
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise InputError(f"weight_decay is {self.weight_decay}; expected 0 or more.")
        for name in ("pixel_dropout", "unit_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; expected 0 or more, below 1.")


def fit_with_pools(
    chain: LayerChain,
    images: np.ndarray,
    labels: np.ndarray,
    pools: Sequence[AdversarialPool],
    regularization: Regularization,
    *,
    seed: int,
    epochs: int | None = None,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    follow: Follow = lambda progress: None,
    progress: bool = False,
) -> TrainingResult:
    """Trains a network by Adam on clean images and on pools of adversarial examples.

    The objective of a step is the mean cross-entropy of a clean batch, plus, for each pool, that of
    a batch drawn from it, through the layers above the pool's place; plus weight decay. Dropout is
    on both. The learning rate falls to 0 along a half cosine.

    Args:
      chain: the network, giving logits.
      images: float32 [N, H, W, C] in [0, 1].
      labels: int64 [N].
      pools: of the chain, empty; they are filled and renewed as their configuration says.
      regularization: besides pools.
      seed: of the order of the images and of every draw.
      epochs: passes over the images; by default 40, and at least as many as make 1,500 steps.
      checkpoints: where the training goes on from, and is saved at epochs' ends.
      follow: called after each epoch, with the loss of its last steps.
      progress: shows a bar.

    Returns:
      A ``TrainingResult`` whose model is the chain's; ``iterations`` are epochs and ``evaluations``
      batches, those that pools spent not among them (see ``AdversarialPool.evaluations``).

    Raises:
      InputError: there are too few images for a batch, or the loss became NaN or infinite.
    """
    checkpoint = checkpoints.of(chain.model.name)
    size = min(_BATCH_SIZE, len(labels))
    steps = len(labels) // size
    epochs = epochs or max(_EPOCHS, math.ceil(_LEAST_STEPS / steps))
    generator = np.random.default_rng(seed)
    data = tf.constant(images), tf.constant(labels)
    rate = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, epochs * steps)
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build(chain.model.trainable_variables)
    advance = _compile(chain, data, pools, regularization, seed, size, optimizer)
    changing = [*chain.model.variables, *optimizer.variables]
    reached = 0
    if checkpoint.state is not None:
        reached = int(checkpoint.state["epochs"])
        generator.bit_generator.state = json.loads(str(checkpoint.state["generator"]))
        assign_values(changing, checkpoint.state)
        for pool in pools:
            pool.restore(checkpoint.state)

    def state(done: int) -> dict[str, Any]:
        return {
            "epochs": done,
            "generator": json.dumps(generator.bit_generator.state),
            **values_of(changing),
            **{name: value for pool in pools for name, value in pool.state().items()},
        }

    with tqdm.tqdm(
        total=epochs, initial=reached, desc=chain.model.name, unit="epoch", disable=not progress
    ) as bar:
        for epoch in range(reached, epochs):
            order = tf.constant(generator.permutation(len(labels))[: steps * size])
            begun = epoch * steps  # steps before this epoch
            loss = 0.0
            for first, last in _stretches(begun, steps, pools):
                for pool in pools:
                    if _due(pool, begun + first):
                        pool.renew(images, labels, generator)
                loss = float(advance(order, *map(tf.constant, (first, last, begun))))
            check_finite(loss, chain.model.name, epoch + 1)
            follow(Progress(chain.model.name, epoch + 1, epochs, loss, chain.model))
            checkpoint.save(lambda: state(epoch + 1), last=epoch + 1 == epochs)  # noqa: B023
            bar.update()
            bar.set_postfix(loss=f"{loss:.3g}")
    logits = chain.model.predict(images, batch_size=1000, verbose=0)
    value = mean_cross_entropy(data[1], logits) + weight_decay_penalty(
        chain.model, _weight_decays(chain, regularization)
    )
    return TrainingResult(
        model=chain.model,
        converged=False,
        iterations=epochs,
        evaluations=epochs * steps,
        loss=float(value),
        seconds=checkpoint.seconds,
        message=f"stopped after the {epochs} epochs that were asked for",
    )


def _due(pool: AdversarialPool, step: int) -> bool:
    return step > 0 and step % pool.config.interval == 0


def _stretches(begun: int, steps: int, pools: Sequence[AdversarialPool]) -> list[tuple[int, int]]:
    """The steps of an epoch from one renewal to the next: (first, last) with last exclusive."""
    cuts = {step for step in range(1, steps) for pool in pools if _due(pool, begun + step)}
    ends = [*sorted(cuts), steps]
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _weight_decays(chain: LayerChain, regularization: Regularization) -> Mapping[str, float]:
    """In the form of ``weight_decay_penalty``, which divides by the number of units."""
    return {
        layer.name: regularization.weight_decay * layer.kernel.shape[-1]
        for layer in chain.layers
        if hasattr(layer, "kernel") and regularization.weight_decay
    }


def _compile(
    chain: LayerChain,
    data: tuple[tf.Tensor, tf.Tensor],
    pools: Sequence[AdversarialPool],
    regularization: Regularization,
    seed: int,
    size: int,
    optimizer: keras.Optimizer,
) -> Callable[[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]:
    """(order [N], first, last, begun) -> mean loss of the steps of an epoch, which it takes."""
    images, labels = data
    # XLA makes convolutions on a CPU several times slower, and its Threefry is a hundred times
    # faster there than the generator that TensorFlow would choose.
    xla = not any(isinstance(layer, keras.layers.Conv2D) for layer in chain.layers)
    algorithm = "threefry" if xla else "auto_select"
    variables = chain.model.trainable_variables
    decays = _weight_decays(chain, regularization)
    rates = (regularization.pixel_dropout, regularization.unit_dropout)

    def loss(rows: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        # Everything random is drawn from (seed, step, number) alone.
        step_key = tf.stack([tf.constant(seed, tf.int64), tf.cast(step, tf.int64)])

        def key(number: int) -> tf.Tensor:
            return tf.random.fold_in(step_key, number, alg=algorithm)

        def entropy(points: tf.Tensor, classes: tf.Tensor, place: str, number: int) -> tf.Tensor:
            dropout = Dropout(*rates, key(number), algorithm) if any(rates) else None
            return mean_cross_entropy(classes, chain.above(points, place, dropout))

        value = entropy(tf.gather(images, rows), tf.gather(labels, rows), IMAGES, 0)
        for number, pool in enumerate(pools):
            drawn = max(1, round(pool.config.share * size))
            points, classes = pool.draw(images, labels, drawn, key(2 * number + 1), algorithm)
            active = tf.cast(pool.count > 0, tf.float32)
            value += active * entropy(points, classes, pool.place, 2 * number + 2)
        return value + weight_decay_penalty(chain.model, decays)

    def advance(order: tf.Tensor, first: tf.Tensor, last: tf.Tensor, begun: tf.Tensor) -> tf.Tensor:
        def one(step: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            rows = tf.slice(order, [step * size], [size])
            with tf.GradientTape() as tape:
                value = loss(rows, begun + step)
            optimizer.apply(tape.gradient(value, variables), variables)
            return step + 1, total + value

        total = tf.while_loop(lambda step, total: step < last, one, (first, 0.0))[1]
        return total / tf.cast(last - first, tf.float32)

    return tf.function(advance, jit_compile=xla, autograph=False)
