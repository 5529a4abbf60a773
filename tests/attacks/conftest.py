"""Small classifiers whose minimum distortions are known or cheap to find."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.models import Classifier


def make_classifier(
    logits: Callable[[tf.Tensor], tf.Tensor], shape: tuple[int, int, int], classes: int
) -> Classifier:
    return Classifier(
        name="test",
        logits=logits,
        image_shape=shape,
        num_classes=classes,
        fingerprint="0" * 64,
        probabilities=False,
    )


@dataclasses.dataclass(frozen=True)
class Linear:
    """z = W' x + b on 4 x 4 x 1 images."""

    weights: np.ndarray  # [16, K]
    biases: np.ndarray  # [K]
    classifier: Classifier

    def predict(self, images: np.ndarray) -> np.ndarray:
        return (images.reshape(len(images), -1) @ self.weights + self.biases).argmax(1)


def make_linear(classes: int, seed: int = 0, scale: float = 3.0) -> Linear:
    rng = np.random.default_rng(seed)
    weights = (scale * rng.normal(size=(16, classes))).astype(np.float32)
    biases = (-weights.sum(0) / 2).astype(np.float32)  # classes meet at the box's centre

    def logits(images: tf.Tensor) -> tf.Tensor:
        return tf.reshape(images, [-1, 16]) @ weights + biases

    return Linear(weights, biases, make_classifier(logits, (4, 4, 1), classes))


@pytest.fixture(scope="session")
def linear() -> Linear:
    return make_linear(5)


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    return np.random.default_rng(7).uniform(0, 1, (60, 4, 4, 1)).astype(np.float32)


@pytest.fixture(scope="session")
def network() -> Classifier:
    """A small network with a curved boundary: 16-32-5, tanh."""
    rng = np.random.default_rng(3)
    first = (rng.normal(size=(16, 32)) * 0.8).astype(np.float32)
    second = rng.normal(size=(32, 5)).astype(np.float32)

    def logits(images: tf.Tensor) -> tf.Tensor:
        return tf.tanh((tf.reshape(images, [-1, 16]) - 0.5) @ first) @ second

    return make_classifier(logits, (4, 4, 1), 5)
