"""Filters learnt without labels: reconstruction ICA with L2 pooling.

Le et al., "ICA with reconstruction cost for efficient overcomplete feature learning" (2011), and
equation 1 of "Building high-level features using large scale unsupervised learning" (2012).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
import tqdm

from tfblindspots.models import L2Pooling2D, LocallyConnected2D, extract_patches
from tfblindspots.training.objective import check_finite

_BATCH_SIZE = 100
_LEARNING_RATE = 5e-3
_WHITENING_IMAGES = 5_000


@dataclass(frozen=True)
class RicaConfig:
    """How the filters of one stage are learnt.

    Attributes:
      centre: subtract each patch value's mean over the images before anything else. Features that
        local contrast normalisation made are centred already, and what is left of their means
        tells their signs apart, which L2 pooling would fold together.
      kept_variance: share of the variance at a position whose principal components are kept; the
        rest, mostly noise, would be blown up by whitening.
      whitening: added to the covariance's eigenvalues, in units of their mean: 0 whitens in full,
        noise included; the larger, the less.
      initial: filters at the start: "random", normally distributed directions; "units", each a
        single value of the patch.
      reconstruction_weight: lambda, of the reconstruction error beside the sparsity.
      steps: of Adam, each on 100 images. For the first half all positions learn one set of
        filters, so that each pool begins with one feature at neighbouring positions; then each
        goes on by itself.
    """

    centre: bool
    kept_variance: float
    whitening: float
    initial: str
    reconstruction_weight: float
    steps: int = 500


class Objective(NamedTuple):
    """The two terms of the objective, on one batch."""

    reconstruction: float  # mean over positions of |W^T W x - x|^2
    sparsity: float  # mean over pools of one map, summed over maps


def learn_filters(
    inputs: np.ndarray,
    filtering: LocallyConnected2D,
    pooling: L2Pooling2D,
    config: RicaConfig,
    *,
    seed: int,
    progress: bool = False,
) -> list[Objective]:
    """Learns a stage's filters from unlabelled images and gives them to its layer.

    Minimises ``lambda |W^T W x - x|^2 + sum over pools of sqrt(epsilon + sum of (W x)^2)`` over W,
    where x is the whitened patch at a position; each position has its own whitening (ZCA) and, in
    the end, its own W. The pools, which are those of the network, couple neighbours. The whitening
    becomes part of the layer's kernel.

    Args:
      inputs: float32 [N, H, W, C], images or what the stage below gives.
      filtering: the layer whose ``kernel`` and ``bias`` are set; built when it is not.
      pooling: the layer that follows it.
      config: how to learn.
      seed: of the initial filters and the batches.
      progress: shows a bar.

    Returns:
      The objective's terms after each step, before its update.

    Raises:
      InputError: the objective became NaN or infinite.
    """
    generator = np.random.default_rng(seed)
    if not filtering.built:
        filtering.build((None, *inputs.shape[1:]))
    chosen = np.sort(generator.permutation(len(inputs))[:_WHITENING_IMAGES])
    whitening, offset = _whitening(_patch_batches(inputs[chosen], filtering), config)
    rows, columns, values = whitening.shape[:3]
    filters = _initial(config.initial, values, filtering.filters, generator)[None, None]
    batches = _batches(len(inputs), generator)
    curve: list[Objective] = []
    with tqdm.tqdm(
        total=config.steps, desc=filtering.name, unit="step", disable=not progress
    ) as bar:
        for grid, steps in (
            ((1, 1), config.steps // 2),
            ((rows, columns), config.steps - config.steps // 2),
        ):
            weights = tf.Variable(
                np.broadcast_to(filters, (*grid, *filters.shape[2:])), dtype=tf.float32
            )
            batch = tf.TensorSpec([None, *inputs.shape[1:]], tf.float32)
            step = _make_step(weights, whitening, offset, filtering, pooling, config, steps, batch)
            for _ in range(steps):
                terms = Objective(*map(float, step(tf.constant(inputs[next(batches)]))))
                curve.append(terms)
                check_finite(sum(terms), filtering.name, len(curve))
                bar.update()
                bar.set_postfix(reconstruction=f"{terms[0]:.3g}", sparsity=f"{terms[1]:.3g}")
            filters = weights.numpy()
    filtering.kernel.assign(tf.einsum("hwdk,hwkm->hwdm", whitening, filters))
    filtering.bias.assign(-tf.einsum("hwk,hwkm->hwm", offset, filters))
    return curve


def _make_step(
    weights: tf.Variable,
    whitening: tf.Tensor,
    offset: tf.Tensor,
    filtering: LocallyConnected2D,
    pooling: L2Pooling2D,
    config: RicaConfig,
    steps: int,
    batch: tf.TensorSpec,
) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """One of so many steps on ``weights``, [H', W', d, M], or [1, 1, d, M] for all positions."""
    rate = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, max(steps, 1))
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build([weights])
    grid = whitening.shape[:2]

    def step(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        patches = extract_patches(images, filtering.kernel_size, filtering.strides)
        white = tf.einsum("bhwd,hwdk->bhwk", patches, whitening) - offset
        with tf.GradientTape() as tape:
            each = tf.broadcast_to(weights, [*grid, *weights.shape[2:]])
            reconstruction, sparsity = rica_terms(white, each, pooling)
            objective = config.reconstruction_weight * reconstruction + sparsity
        optimizer.apply_gradients([(tape.gradient(objective, weights), weights)])
        return reconstruction, sparsity

    # Traced by hand: TensorFlow takes a function that is made anew for each stage for a mistake.
    return tf.function(step, autograph=False).get_concrete_function(batch)


def rica_terms(
    white: tf.Tensor, weights: tf.Tensor, pooling: L2Pooling2D
) -> tuple[tf.Tensor, tf.Tensor]:
    """The terms of the objective.

    Args:
      white: float32 [B, H', W', d], whitened patches.
      weights: float32 [H', W', d, M], W transposed at each position.
      pooling: pools [B, H', W', M].

    Returns:
      Reconstruction error and sparsity, scalars, as in ``Objective``.
    """
    responses = tf.einsum("bhwd,hwdm->bhwm", white, weights)
    errors = tf.einsum("bhwm,hwdm->bhwd", responses, weights) - white
    reconstruction = tf.reduce_mean(tf.reduce_sum(tf.square(errors), axis=-1))
    sparsity = tf.reduce_mean(tf.reduce_sum(pooling(responses), axis=-1))
    return reconstruction, sparsity


def _initial(kind: str, values: int, filters: int, generator: np.random.Generator) -> np.ndarray:
    """Unit columns, float [d, M]."""
    if kind == "units":
        # Every value of the patch serves before any serves twice.
        repeats = math.ceil(filters / values)
        order = np.concatenate([generator.permutation(values) for _ in range(repeats)])
        return np.eye(values)[:, order[:filters]]
    assert kind == "random", kind
    directions = generator.standard_normal((values, filters))
    return directions / np.linalg.norm(directions, axis=0)


def _whitening(patches: Iterator[tf.Tensor], config: RicaConfig) -> tuple[tf.Tensor, tf.Tensor]:
    """ZCA at each position: float32 [H', W', d, d], and the whitened mean, float32 [H', W', d].

    Scaled so that the mean variance of a kept component is 1, whatever ``config.whitening``, on
    which the balance of the objective would depend otherwise.
    """
    count, total, products = 0, 0.0, 0.0
    for batch in patches:
        count += len(batch)
        total += tf.reduce_sum(tf.cast(batch, tf.float64), axis=0).numpy()
        products += tf.einsum("bhwd,bhwe->hwde", batch, batch).numpy().astype(np.float64)
    mean = np.asarray(total) / count
    covariance = products / count - mean[..., :, None] * mean[..., None, :]
    eigenvalues, vectors = np.linalg.eigh(covariance)
    # Rounding makes those of constant values slightly negative.
    eigenvalues = np.maximum(eigenvalues, 0)
    tiny = np.finfo(np.float32).tiny
    average = eigenvalues.mean(axis=-1, keepdims=True) + tiny
    # Ascending: what the components up to each hold together must exceed what may be dropped.
    shares = np.cumsum(eigenvalues, axis=-1) / (eigenvalues.shape[-1] * average)
    kept = shares > 1 - config.kept_variance
    damped = eigenvalues + (config.whitening + 1e-6) * average
    variance = np.sum(kept * eigenvalues / damped, axis=-1, keepdims=True)
    variance = variance / kept.sum(axis=-1, keepdims=True).clip(1) + tiny
    scales = kept / np.sqrt(damped * variance)
    whitening = np.einsum("hwde,hwe,hwfe->hwdf", vectors, scales, vectors)
    offset = np.einsum("hwd,hwdf->hwf", mean, whitening) * config.centre
    return tf.constant(whitening, tf.float32), tf.constant(offset, tf.float32)


def _patch_batches(inputs: np.ndarray, filtering: LocallyConnected2D) -> Iterator[tf.Tensor]:
    for first in range(0, len(inputs), _BATCH_SIZE):
        images = tf.constant(inputs[first : first + _BATCH_SIZE])
        yield extract_patches(images, filtering.kernel_size, filtering.strides)


def _batches(count: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """Positions of a batch after the other, each image once before any comes again."""
    while True:
        order = generator.permutation(count)
        for first in range(0, count - count % _BATCH_SIZE or count, _BATCH_SIZE):
            yield np.sort(order[first : first + _BATCH_SIZE])
