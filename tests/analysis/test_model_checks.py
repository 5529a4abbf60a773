"""Models with one known fault each, and what the checks must count on them."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.analysis import MODEL_SAMPLE, check_model
from tfblindspots.analysis.model_checks import _ROUNDING
from tfblindspots.artifacts import to_json
from tfblindspots.attacks import objectives
from tfblindspots.models import Classifier, load_classifier

COUNT = 12
SHAPE = (2, 3, 1)
IMAGES = np.random.default_rng(0).random((COUNT, *SHAPE), np.float32)
# Class 1 has by far the largest logit everywhere.
KERNEL = np.random.default_rng(1).uniform(-0.1, 0.1, (6, 3)).astype(np.float32)
BIAS = np.array([0.0, 3.0, 1.0], np.float32)
LABELS = np.ones(COUNT, np.int64)
UNTARGETED = np.full(COUNT, -1)
COUNTS = (
    "not_finite_logits",
    "differing_logits",
    "not_finite_gradients",
    "zero_gradients",
    "flat_losses",
    "saturated_probabilities",
    "rounded_margins",
)


def classifier(
    *before: keras.layers.Layer, scale: float = 1.0, activation: str | None = None
) -> Classifier:
    """A linear model behind the given layers."""
    flat = keras.layers.Flatten()
    dense = keras.layers.Dense(3, activation)
    model = keras.Sequential([keras.Input(SHAPE), *before, flat, dense])
    dense.set_weights([scale * KERNEL, scale * BIAS])
    return load_classifier(model, name="hand-made")


def with_logits(function: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> Classifier:
    """A linear model whose logits a function of the images and of them replaces."""
    linear = classifier()
    return dataclasses.replace(
        linear, logits=lambda images: function(images, linear.logits(images))
    )


def checks(
    model: Classifier, targets: np.ndarray = UNTARGETED, images: np.ndarray = IMAGES
) -> dict[str, int]:
    """The counts that are not 0."""
    found = check_model(model, images, LABELS, targets)
    to_json(found)
    assert set(found) == {"checked", "probabilities", *COUNTS}
    assert found["checked"] == len(images)
    return {name: found[name] for name in COUNTS if found[name]}


class Rounding(keras.layers.Layer):
    """Quantises to eight levels: no gradient."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.round(7 * inputs) / 7


class Noise(keras.layers.Layer):
    """Noise that inference does not switch off."""

    def __init__(self, stddev: float) -> None:
        super().__init__()
        self.stddev = stddev
        self.seeds = keras.random.SeedGenerator(0)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        noise = keras.random.normal(tf.shape(inputs), 0.0, self.stddev, seed=self.seeds)
        return inputs + noise


@pytest.mark.parametrize("activation", [None, "softmax"])
@pytest.mark.parametrize("target", [-1, 0])
def test_nothing_on_a_sound_model(activation: str | None, target: int) -> None:
    model = classifier(activation=activation)
    assert model.probabilities == (activation == "softmax")
    assert checks(model, np.full(COUNT, target)) == {}


def test_a_rounding_layer_leaves_no_gradient() -> None:
    assert checks(classifier(Rounding())) == {"zero_gradients": COUNT}


def test_a_gradient_that_dies_for_some_images_only() -> None:
    halves = np.concatenate([np.full((5, *SHAPE), 0.25), np.full((7, *SHAPE), 0.75)])
    model = classifier(keras.layers.ReLU(threshold=0.5))
    assert checks(model, images=halves.astype(np.float32)) == {"zero_gradients": 5}


@pytest.mark.parametrize(("stddev", "differing"), [(0.1, COUNT), (1e-9, 0)])
def test_noise_that_is_always_active(stddev: float, differing: int) -> None:
    found = checks(classifier(Noise(stddev)))
    assert found == ({"differing_logits": differing} if differing else {})


def test_a_nan_that_comes_with_the_second_evaluation_is_a_difference() -> None:
    calls: list[int] = []

    def second(images: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        calls.append(1)
        return logits if len(calls) == 1 else logits * np.nan

    assert checks(with_logits(second)) == {"differing_logits": COUNT}


def test_probabilities_of_a_model_with_large_weights() -> None:
    # The logits differ by 2,000 or so, of which float32's exp makes 1 and 0.
    model = classifier(scale=1000, activation="softmax")
    assert checks(model) == {"zero_gradients": COUNT, "saturated_probabilities": COUNT}
    assert checks(classifier(scale=1000)) == {}


def test_a_probability_of_1_alone_is_no_fault() -> None:
    # 1 + exp(-20) is 1 in float32, and exp(-20) is not 0.
    model = classifier(scale=15, activation="softmax")
    assert (np.exp(model.logits(tf.constant(IMAGES)).numpy()[:, 1]) == 1).any()
    assert checks(model) == {}


def test_a_probability_of_0_matters_where_it_is_the_class_to_reach() -> None:
    # Class 0 lies about 108 below class 1, class 2 about 72; exp(-87.3) is float32's smallest.
    model = classifier(scale=36, activation="softmax")
    assert checks(model, np.full(COUNT, 0))["saturated_probabilities"] == COUNT
    assert checks(model, np.full(COUNT, 2)) == {}
    assert checks(model) == {}


def test_logits_that_are_not_finite_for_some_images() -> None:
    def broken(images: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        number = tf.range(COUNT)[:, None]
        logits = tf.where(number < 3, np.nan, logits)
        # What masks a class masks the attack's margin as well.
        return tf.where((number == 3) & (tf.range(3) == 2), -np.inf, logits)

    assert checks(with_logits(broken)) == {"not_finite_logits": 4}


def test_a_gradient_that_is_not_finite() -> None:
    dark = IMAGES.copy()
    dark[:2, 0, 0] = 0

    def root(images: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        return logits + tf.sqrt(images[:, 0, 0]) * [0.0, 1.0, 0.0]

    assert checks(with_logits(root), images=dark) == {"not_finite_gradients": 2}


@pytest.mark.parametrize(("depth", "flat"), [(-2.0, 0), (-20.0, COUNT)])
def test_saturated_units_make_a_flat_loss(depth: float, flat: int) -> None:
    # The slope is 1 where the sigmoid is not saturated, else exp(-18) or so.
    model = classifier(keras.layers.Lambda(lambda x: tf.sigmoid(4 * x + depth)))
    assert checks(model) == ({"flat_losses": flat} if flat else {})


@pytest.mark.parametrize(("offset", "rounded"), [(1e3, 0), (1e5, COUNT)])
def test_margins_beside_large_logits(offset: float, rounded: int) -> None:
    # The margin is about 2; 1e-5 of the logits is 0.01, then 1.
    found = checks(with_logits(lambda images, logits: logits + offset))
    assert found == ({"rounded_margins": rounded} if rounded else {})


def test_rounding_is_what_the_attack_takes_it_for() -> None:
    assert _ROUNDING == objectives._ROUNDING


def test_only_the_first_images_are_looked_at_in_batches() -> None:
    seen: list[int] = []

    def count(images: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        seen.append(len(images))
        return logits

    many = MODEL_SAMPLE + 50
    found = check_model(
        with_logits(count),
        np.resize(IMAGES, (many, *SHAPE)),
        np.ones(many, np.int64),
        np.full(many, -1),
    )
    assert found["checked"] == MODEL_SAMPLE
    assert seen == [32] * 12 + [8] * 2


def test_no_images() -> None:
    nothing = np.zeros(0, np.int64)
    found = check_model(classifier(), IMAGES[:0], nothing, nothing)
    assert found == {"checked": 0, "probabilities": False, **dict.fromkeys(COUNTS, 0)}
