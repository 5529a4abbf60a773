"""AE400-10: softmax regression on the frozen code of a sparse autoencoder (section 4.1)."""

import math
from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf
import tqdm

from tfblindspots.training.checkpoint import (
    NO_CHECKPOINTS,
    Checkpoint,
    Checkpoints,
    assign_values,
    values_of,
)
from tfblindspots.training.lbfgs import fit_lbfgs
from tfblindspots.training.objective import check_finite
from tfblindspots.training.progress import Follow, Progress
from tfblindspots.training.result import TrainingResult

# Chosen on the last 10,000 of MNIST's training images by the error of softmax regression on the
# code; no test image and, in training the code, no label had a part in it.
_EPOCHS = 12
_LEAST_STEPS = 3_000  # what a small dataset takes, however few steps its epochs are
_BATCH_SIZE = 100
_LEARNING_RATE = 2e-3
_WARM_UP_STEPS = 200
_PIXEL_DROPOUT = 0.4
_UNIT_DROPOUT = 0.5
_MEAN_ACTIVATION = 0.05
_SPARSITY_WEIGHT = 1.0
# The trained sigmoids are steep: a third of their slope keeps what they tell of the image and loses
# what they tell of its noise, which a linear classifier would fit.
_SLOPE = 0.3
_STEPS_BETWEEN_REPORTS = 100


def fit_autoencoder(
    model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    weight_decays: Mapping[str, float],
    *,
    seed: int,
    max_iterations: int,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
    follow: Follow | None = None,
    progress: bool = False,
) -> TrainingResult:
    """Trains the layer ``code`` without labels, freezes it, and trains ``logits`` on the codes.

    Args:
      model: images through the sigmoid layer ``code`` through the linear layer ``logits``.
      images: float32 [N, H, W, C] in [0, 1].
      labels: int64 [N].
      weight_decays: lambda by layer name, see ``weight_decay_penalty``.
      seed: of the autoencoder's weights, batches and noise.
      max_iterations: of L-BFGS, for the softmax.
      checkpoints: where each part goes on from, and is saved.
      follow: called as both parts are trained.
      progress: shows bars.

    Returns:
      The ``TrainingResult`` of the softmax, with the seconds of both.

    Raises:
      InputError: a loss became NaN or infinite.
    """
    pixels = images.reshape(len(images), -1)
    code, logits = model.get_layer("code"), model.get_layer("logits")
    checkpoint = checkpoints.of("code")
    code.set_weights(
        train_encoder(
            pixels, code.units, seed=seed, checkpoint=checkpoint, follow=follow, progress=progress
        )
    )
    code.trainable = False
    seconds = checkpoint.seconds
    # The code is fixed, so it is computed once, and what is left to train is convex.
    encoder = keras.Model(model.inputs, code.output)
    codes = encoder.predict(images, batch_size=1000, verbose=0)
    head_input = keras.Input((code.units,))
    head = keras.Model(head_input, logits(head_input), name=model.name)
    result = fit_lbfgs(
        head,
        codes,
        labels,
        weight_decays,
        max_iterations=max_iterations,
        checkpoints=checkpoints,
        # The head alone takes codes, not images.
        follow=follow and (lambda progress: follow(progress._replace(model=model))),
        progress=progress,
    )
    return result._replace(model=model, seconds=seconds + result.seconds)


def train_encoder(
    pixels: np.ndarray,
    units: int,
    *,
    seed: int,
    checkpoint: Checkpoint | None = None,
    follow: Follow | None = None,
    progress: bool = False,
) -> list[np.ndarray]:
    """Trains a one-layer sparse denoising autoencoder and returns its encoder.

    It minimises the cross-entropy between pixels and their reconstruction by Adam, its learning
    rate falling to 0 along a half cosine, under three regularisers: pixels and units are dropped at
    random, which makes the code robust and redundant, and the divergence of each unit's mean
    activation in a batch from a small target makes it sparse.

    Args:
      pixels: float32 [N, n] in [0, 1].
      units: of the code, sigmoid.
      seed: of the initial weights, the batches and the noise.
      checkpoint: where it goes on from, and is saved; None for nowhere.
      follow: called after every 100 steps.
      progress: shows a bar.

    Returns:
      Kernel float32 [n, units] and bias float32 [units].

    Raises:
      InputError: the loss became NaN or infinite.
    """
    count, size = pixels.shape
    steps = max(_LEAST_STEPS, math.ceil(_EPOCHS * count / _BATCH_SIZE))
    *weight_keys, noise_key = np.random.SeedSequence(seed).generate_state(3).tolist()
    dropout = tf.nn.experimental.stateless_dropout
    all_pixels = tf.constant(pixels)
    encoder, decoder = (
        keras.layers.Dense(n, kernel_initializer=keras.initializers.GlorotUniform(seed=key))
        for n, key in zip((units, size), weight_keys, strict=True)
    )
    encoder.build((None, size))
    decoder.build((None, units))
    # From the mean image on, the decoder has only differences to learn.
    mean = np.clip(pixels.mean(axis=0), 1e-3, 1 - 1e-3)
    decoder.bias.assign(np.log(mean / (1 - mean)))
    variables = [*encoder.trainable_variables, *decoder.trainable_variables]
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0,
            decay_steps=steps - _WARM_UP_STEPS,
            warmup_target=_LEARNING_RATE,
            warmup_steps=_WARM_UP_STEPS,
        )
    )
    optimizer.build(variables)
    # Here, since it takes a second to import, which nobody else is to wait for.
    import tensorflow_probability as tfp

    sparse = tfp.distributions.Bernoulli(probs=_MEAN_ACTIVATION)

    def loss(step: tf.Tensor) -> tf.Tensor:
        # Drawn from (seed, step) alone: a batch, and which of its pixels and units are dropped.
        key = tf.random.fold_in(tf.constant([noise_key, 0], tf.int64), step)
        batch_key, pixel_key, unit_key = tf.unstack(tf.random.split(key, 3))
        chosen = tf.random.stateless_uniform([_BATCH_SIZE], batch_key, 0, count, tf.int32)
        batch = tf.gather(all_pixels, chosen)
        code = tf.sigmoid(encoder(dropout(batch, _PIXEL_DROPOUT, pixel_key)))
        outputs = decoder(dropout(code, _UNIT_DROPOUT, unit_key))
        errors = tf.nn.sigmoid_cross_entropy_with_logits(labels=batch, logits=outputs)
        mean_activations = tfp.distributions.Bernoulli(probs=tf.reduce_mean(code, axis=0))
        sparsity = tf.reduce_sum(sparse.kl_divergence(mean_activations))
        return tf.reduce_mean(tf.reduce_sum(errors, axis=1)) + _SPARSITY_WEIGHT * sparsity

    @tf.function
    def advance(first: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
        value = tf.constant(0.0)
        for step in tf.range(first, last):
            with tf.GradientTape() as tape:
                value = loss(step)
            optimizer.apply(tape.gradient(value, variables))
        return value

    checkpoint, begun = checkpoint or Checkpoint(None), 0
    changing = [*variables, *optimizer.variables]
    if checkpoint.state is not None:
        begun = int(checkpoint.state["steps"])
        assign_values(changing, checkpoint.state)
    with tqdm.tqdm(
        total=steps, initial=begun, desc="code", unit="step", disable=not progress
    ) as bar:
        for first in range(begun, steps, _STEPS_BETWEEN_REPORTS):
            last = min(first + _STEPS_BETWEEN_REPORTS, steps)
            value = float(advance(tf.constant(first), tf.constant(last)))
            check_finite(value, "code", last)
            if follow is not None:
                follow(Progress("code", last, steps, value, None))
            checkpoint.save(
                lambda: {"steps": last, **values_of(changing)},  # noqa: B023 - called at once
                last=last == steps,
            )
            bar.update(last - first)
            bar.set_postfix(loss=f"{value:.3g}")
    return [_SLOPE * encoder.kernel.numpy(), _SLOPE * encoder.bias.numpy()]
