"""Trains the convolutional networks that the benchmark attacks: a plain one and a robust one.

Example:
  python -m benchmarks.train_networks --output_dir=saved_models/benchmark

``lenet`` is trained on the images as they are, ``lenet-pgd`` on their adversarial versions by
projected gradient descent (Madry et al. 2018), L-infinity radius 0.3. About ten minutes on two
cores. The benchmark takes both from saved_models/benchmark.
"""

import math
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags
from tqdm import trange

from tfblindspots.artifacts import build_manifest
from tfblindspots.data import ImageDataset, load_dataset
from tfblindspots.models import export_saved_model

FLAGS = flags.FLAGS
flags.DEFINE_string("dataset", "mnist", "Dataset to train on.")
flags.DEFINE_string("data_dir", None, "Where TensorFlow Datasets keeps its data.")
flags.DEFINE_string("output_dir", "saved_models/benchmark", "Gets a SavedModel a network.")
flags.DEFINE_integer("epochs", 6, "Passes over the training images.")
flags.DEFINE_integer("seed", 0, "Of weights, batches and starts of the attack.")
flags.DEFINE_multi_enum("network", ["lenet", "lenet-pgd"], ["lenet", "lenet-pgd"], "What to train.")

RADIUS = 0.3
_BATCH = 128
_PEAK_LEARNING_RATE = 1e-3
# Share of the training over which the radius rises to its full size.
_RAMP = 0.4
_TRAINING_STEPS, _TEST_STEPS = 10, 40


def build_lenet(name: str, image_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Two convolutions with max-pooling and two dense layers (after LeCun et al. 1998), ReLU."""
    images = keras.Input(image_shape, name="images")
    features = images
    for layer, filters in enumerate((16, 32), 1):
        features = keras.layers.Conv2D(
            filters, 5, padding="same", activation="relu", name=f"convolution_{layer}"
        )(features)
        features = keras.layers.MaxPooling2D(2, name=f"max_pooling_{layer}")(features)
    features = keras.layers.Flatten(name="flatten")(features)
    features = keras.layers.Dense(200, activation="relu", name="hidden")(features)
    return keras.Model(images, keras.layers.Dense(classes, name="logits")(features), name=name)


def projected_gradient_descent(
    model: keras.Model,
    images: tf.Tensor,
    labels: tf.Tensor,
    radius: tf.Tensor,
    steps: int,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Maximises the cross-entropy in the L-infinity ball, from a random start (Madry et al. 2018).

    Args:
      model: gives logits [B, K].
      images: float32 [B, H, W, C] in [0, 1].
      labels: int64 [B].
      radius: of the ball.
      steps: of the gradient's sign.
      seed: of the start, int32 [2].
    """
    low, high = tf.maximum(images - radius, 0.0), tf.minimum(images + radius, 1.0)
    start = images + radius * tf.random.stateless_uniform(tf.shape(images), seed, -1.0, 1.0)
    points = tf.clip_by_value(start, low, high)
    for _ in tf.range(steps):
        with tf.GradientTape() as tape:
            tape.watch(points)
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, model(points))
        direction = tf.sign(tape.gradient(loss, points))
        points = tf.clip_by_value(points + 2.5 * radius / steps * direction, low, high)
    return points


def train(
    name: str, dataset: ImageDataset, *, adversarial: bool, epochs: int, seed: int
) -> keras.Model:
    """Trains by Adam, the learning rate rising and falling once."""
    keras.utils.set_random_seed(seed)
    model = build_lenet(name, dataset.images.shape[1:], dataset.num_classes)
    batches = len(dataset.images) // _BATCH
    steps = epochs * batches
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps - batches, warmup_target=_PEAK_LEARNING_RATE, warmup_steps=batches
    )
    optimizer = keras.optimizers.Adam(schedule)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(images: tf.Tensor, labels: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        if adversarial:
            # At the full radius from the start, the network learns nothing but a constant.
            radius = RADIUS * tf.minimum(1.0, tf.cast(number, tf.float32) / (_RAMP * steps))
            key = tf.stack([seed, number])
            images = projected_gradient_descent(model, images, labels, radius, _TRAINING_STEPS, key)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels, model(images))
            )
        weights = model.trainable_variables
        optimizer.apply(tape.gradient(loss, weights), weights)
        return loss

    generator = np.random.default_rng(seed)
    number = 0
    with trange(epochs, desc=name, unit="epoch", disable=None) as bar:
        for _ in bar:
            order = generator.permutation(len(dataset.images))[: batches * _BATCH]
            for chosen in order.reshape(batches, _BATCH):
                images, labels = dataset.images[chosen], dataset.labels[chosen]
                loss = step(tf.constant(images), tf.constant(labels), tf.constant(number))
                number += 1
            bar.set_postfix(loss=f"{float(loss):.3g}")
    return model


def error_rates(model: keras.Model, dataset: ImageDataset, seed: int) -> dict[str, float]:
    """Shares of images misclassified: as they are, and under a 40-step attack."""

    @tf.function
    def wrong(images: tf.Tensor, labels: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        key = tf.stack([seed, number])
        attacked = projected_gradient_descent(model, images, labels, RADIUS, _TEST_STEPS, key)
        return tf.stack(
            [tf.argmax(model(points), axis=-1) != labels for points in (images, attacked)]
        )

    size = 500
    parts = [
        wrong(
            tf.constant(dataset.images[part * size : (part + 1) * size]),
            tf.constant(dataset.labels[part * size : (part + 1) * size]),
            tf.constant(part),
        )
        for part in range(math.ceil(len(dataset.images) / size))
    ]
    clean, attacked = np.concatenate(parts, axis=1).mean(axis=1)
    return {"test_error": float(clean), "test_error_pgd_40": float(attacked)}


def main(argv: list[str]) -> None:
    """Trains and exports."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments: {argv[1:]}")
    train_set, test_set = (
        load_dataset(FLAGS.dataset, split, FLAGS.data_dir) for split in ("train", "test")
    )
    for name in FLAGS.network:
        start = time.monotonic()
        adversarial = name == "lenet-pgd"
        model = train(
            name, train_set, adversarial=adversarial, epochs=FLAGS.epochs, seed=FLAGS.seed
        )
        errors = error_rates(model, test_set, FLAGS.seed)
        manifest = build_manifest(
            "saved_model",
            flags={"model": name, "dataset": FLAGS.dataset, "epochs": FLAGS.epochs},
            seed=FLAGS.seed,
            inputs={"dataset": train_set.fingerprint},
            seconds=time.monotonic() - start,
            errors=errors,
        )
        export_saved_model(model, Path(FLAGS.output_dir) / name, manifest)
        print(f"{name}: {errors}", flush=True)


if __name__ == "__main__":
    app.run(main)
