"""Models for batches of one size take any number of images."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.attacks import AttackConfig, find_adversarial_examples
from tfblindspots.models import load_classifier
from tfblindspots.models.adapting import in_batches_of

_WEIGHTS = np.random.default_rng(1).normal(size=(12, 5)).astype(np.float32)


@pytest.mark.parametrize("size", [1, 3, 32])
@pytest.mark.parametrize("count", [1, 3, 7])
def test_images_are_filled_up_to_whole_batches(size: int, count: int) -> None:
    sizes = set()

    def function(images: tf.Tensor) -> tf.Tensor:
        sizes.add(images.shape[0])
        return tf.tanh(tf.reshape(images, [size, 12]) @ _WEIGHTS)

    images = tf.constant(np.random.default_rng(2).random((count, 2, 3, 2), np.float32))
    batched = in_batches_of(size, function)
    np.testing.assert_allclose(
        batched(images), np.tanh(images.numpy().reshape(count, 12) @ _WEIGHTS), atol=1e-6
    )
    unknown = tf.TensorSpec([None, 2, 3, 2], tf.float32)
    graph = tf.function(batched, input_signature=[unknown], autograph=False)
    np.testing.assert_allclose(graph(images), batched(images), atol=1e-6)
    assert sizes == {size}


def test_the_attack_finds_the_nearest_on_one_output_and_fixed_batches() -> None:
    """The nearest boundary of the sign of z = w x is at |z| / |w|."""
    generator = np.random.default_rng(3)
    kernel = generator.normal(size=(16, 1)).astype(np.float32)
    images = generator.uniform(0.4, 0.6, (6, 4, 4, 1)).astype(np.float32)
    z = images.reshape(6, 16) @ kernel[:, 0]
    inputs = keras.Input(batch_shape=(4, 4, 4, 1))
    outputs = keras.layers.Dense(1, use_bias=False)(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, outputs)
    model.set_weights([kernel])
    labels = (z > 0).astype(np.int64)
    config = AttackConfig(target="random", batch_size=5, xla=False)
    found = find_adversarial_examples(load_classifier(model), images, labels, config)
    assert found.success.all() and set(labels) == {0, 1}
    np.testing.assert_allclose(found.l2, np.abs(z) / np.linalg.norm(kernel), rtol=1e-3)
