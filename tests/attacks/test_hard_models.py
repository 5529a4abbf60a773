"""Models on which an attack that starts at the image fails or loses."""

import numpy as np
import pytest
import tensorflow as tf

from tests.attacks.conftest import make_classifier
from tfblindspots.attacks import AttackConfig, find_adversarial_examples
from tfblindspots.data import load_dataset
from tfblindspots.models import Classifier, load_classifier, predict_classes

# The optimiser alone is compiled, and once for all of these models.
CONFIG = AttackConfig("untargeted", xla=False)


def test_dead_units_at_the_image(images: np.ndarray) -> None:
    """All hidden ReLUs are off at the images: no gradient there, only beyond a threshold."""
    weights = np.random.default_rng(0).normal(size=(16, 8)).astype(np.float32)
    calm = np.full_like(images, 0.5)

    def logits(batch: tf.Tensor) -> tf.Tensor:
        hidden = tf.nn.relu((tf.reshape(batch, [-1, 16]) - 0.5) @ weights - 0.3)
        total = tf.reduce_sum(hidden, axis=-1)
        return tf.stack([tf.zeros_like(total), 4.0 * total - 1.0], axis=-1)

    model = make_classifier(logits, (4, 4, 1), 2)
    labels = predict_classes(model, calm)
    assert (labels == 0).all()
    found = find_adversarial_examples(model, calm, labels, CONFIG)
    assert found.success.all()
    assert found.l2.max() < 1.0


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_distortions_do_not_depend_on_the_scale_of_the_logits(
    network: Classifier, images: np.ndarray, scale: float
) -> None:
    model = make_classifier(lambda x: scale * network.logits(x), (4, 4, 1), 5)
    labels = predict_classes(network, images)
    plain = find_adversarial_examples(network, images, labels, CONFIG)
    scaled = find_adversarial_examples(model, images, labels, CONFIG)
    assert scaled.success.all()
    np.testing.assert_allclose(scaled.l2.mean(), plain.l2.mean(), rtol=2e-3)


def test_a_saturated_softmax(network: Classifier, images: np.ndarray) -> None:
    """Probabilities whose logarithms are all that is left, as of a model that ends in softmax."""

    def logits(batch: tf.Tensor) -> tf.Tensor:
        return tf.math.log(tf.nn.softmax(20.0 * network.logits(batch)) + 1e-30)

    model = make_classifier(logits, (4, 4, 1), 5)
    labels = predict_classes(network, images)
    plain = find_adversarial_examples(network, images, labels, CONFIG)
    found = find_adversarial_examples(model, images, labels, CONFIG)
    assert found.success.all()
    assert found.l2.mean() < 1.05 * plain.l2.mean()


def test_a_network_trained_adversarially(mnist_data_dir: str) -> None:
    """Foolbox's DDN with 1000 steps finds a mean of 2.33 on the first 256 test images."""
    model = load_classifier("saved_models/benchmark/lenet-pgd")
    dataset = load_dataset("mnist", "test[:24]", mnist_data_dir)
    found = find_adversarial_examples(
        model, dataset.images, dataset.labels, AttackConfig("untargeted")
    )
    attacked = found.original_prediction == found.label
    assert attacked.sum() >= 22
    assert found.success.all()
    assert found.l2[attacked].mean() < 2.1
