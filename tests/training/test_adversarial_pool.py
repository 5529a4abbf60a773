"""Pools: what they hold, what they replace, and what they refuse."""

import os

import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.attacks import AttackConfig, find_adversarial_examples
from tfblindspots.data import ImageDataset, load_dataset
from tfblindspots.errors import InputError
from tfblindspots.models import Classifier, get_definition, load_classifier
from tfblindspots.training import (
    AdversarialPool,
    LayerChain,
    PoolConfig,
    fit_with_pools,
    make_pools,
    places,
)
from tfblindspots.training.fit_with_pools import Regularization

CONFIG = PoolConfig(size=50, renewal=30, distortion=0.02)


@pytest.fixture(scope="module")
def digits() -> ImageDataset:
    return load_dataset("digits", "train[100:400]")


@pytest.fixture(scope="module")
def chain(digits: ImageDataset) -> LayerChain:
    """A network that has learnt a little."""
    chain = LayerChain(get_definition("fc20-12-10").build((8, 8, 1), 10, 0))
    fit_with_pools(chain, digits.images, digits.labels, (), Regularization(), seed=0, epochs=200)
    return chain


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def numpy_layers(chain: LayerChain, images: np.ndarray) -> dict[str, np.ndarray]:
    """What images are at each place, by the weights alone."""
    found = {"images": images.reshape(len(images), -1).astype(np.float64)}
    found["hidden_1"] = sigmoid(dense(chain, "hidden_1", found["images"]))
    found["hidden_2"] = sigmoid(dense(chain, "hidden_2", found["hidden_1"]))
    return found


def dense(chain: LayerChain, layer: str, x: np.ndarray) -> np.ndarray:
    kernel, bias = chain.model.get_layer(layer).get_weights()
    return x @ kernel + bias


def classes_above(chain: LayerChain, place: str, points: np.ndarray) -> np.ndarray:
    if place == "images":
        points = sigmoid(dense(chain, "hidden_1", points))
    if place != "hidden_2":
        points = sigmoid(dense(chain, "hidden_2", points))
    return dense(chain, "logits", points).argmax(axis=1)


@pytest.mark.parametrize("place", ["images", "hidden_1", "hidden_2"])
def test_examples_are_what_they_say(chain: LayerChain, digits: ImageDataset, place: str) -> None:
    pool = AdversarialPool(chain, place, CONFIG, len(digits.labels))
    generator = np.random.default_rng(0)
    for _ in range(3):
        pool.renew(digits.images, digits.labels, generator)
    found = pool.examples(digits.images, digits.labels, digits.indices)
    count = 50
    assert len(found.label) == int(pool.count) == count
    rows = found.index - digits.indices[0]
    np.testing.assert_array_equal(found.label, digits.labels[rows])
    originals = numpy_layers(chain, digits.images[rows])[place]
    np.testing.assert_allclose(found.original.reshape(count, -1), originals, atol=1e-5)
    change = (found.image - found.original).reshape(count, -1).astype(np.float64)
    # The perturbation has the length that was asked for, but for what the box takes away.
    assert found.image.min() >= 0 and found.image.max() <= 1
    rms = np.sqrt(np.mean(change**2, axis=1))
    np.testing.assert_allclose(found.distortion, rms, rtol=1e-4)
    assert (rms <= 0.02 * (1 + 1e-3)).all()
    assert np.median(rms) > 0.019
    before = classes_above(chain, place, found.original.reshape(count, -1))
    after = classes_above(chain, place, found.image.reshape(count, -1))
    np.testing.assert_array_equal(found.original_prediction, before)
    np.testing.assert_array_equal(found.prediction, after)
    np.testing.assert_array_equal(found.success, after != found.label)
    # Those that err without any perturbation are no examples.
    assert (before == found.label).all()
    assert 50 < pool.made <= 90
    assert pool.evaluations >= pool.made


def test_an_example_that_is_not_answered_is_none(chain: LayerChain, digits: ImageDataset) -> None:
    pool = AdversarialPool(chain, "images", CONFIG, len(digits.labels))
    pool.renew(digits.images, digits.labels, np.random.default_rng(0))
    network = pool._classifier

    def logits(images: tf.Tensor) -> tf.Tensor:
        """NaN for the true class of all that is not of the 17 grey levels of digits."""
        found = network.logits(images)
        off = tf.reduce_any(tf.abs(16 * images - tf.round(16 * images)) > 1e-3, axis=(1, 2, 3))
        return tf.where(
            off[:, None] & (found == tf.reduce_max(found, axis=1)[:, None]), np.nan, found
        )

    pool._classifier = Classifier("holes", logits, network.image_shape, 10, "0" * 64, False)
    found = pool.examples(digits.images, digits.labels, digits.indices)
    assert not found.success.any()
    np.testing.assert_array_equal(found.image, found.original)
    np.testing.assert_array_equal(found.prediction, found.label)
    assert not found.distortion.any()


def test_perturbations_are_those_of_the_attack(chain: LayerChain, digits: ImageDataset) -> None:
    pool = AdversarialPool(chain, "images", CONFIG, len(digits.labels))
    pool.renew(digits.images, digits.labels, np.random.default_rng(0))
    found = pool.examples(digits.images, digits.labels, digits.indices)
    rows = found.index - digits.indices[0]
    nearest = find_adversarial_examples(
        load_classifier(chain.model),
        digits.images[rows],
        digits.labels[rows],
        AttackConfig("untargeted", effort="fast", max_evaluations=CONFIG.max_evaluations),
    )
    scale = 0.02 / nearest.distortion.reshape(-1, 1, 1, 1)
    expected = np.clip(found.original + scale * (nearest.image - nearest.original), 0, 1)
    np.testing.assert_allclose(found.image, expected, atol=1e-4)


def test_a_full_pool_gives_up_a_random_part(chain: LayerChain, digits: ImageDataset) -> None:
    pool = AdversarialPool(chain, "hidden_2", CONFIG, len(digits.labels))
    generator = np.random.default_rng(1)
    indices = []
    for _ in range(4):
        before = pool.made
        pool.renew(digits.images, digits.labels, generator)
        indices.append(pool.examples(digits.images, digits.labels, digits.indices).index)
    new = pool.made - before
    kept = np.count_nonzero(indices[-1] == indices[-2])
    # A new one may be made of the very image whose example it replaces.
    assert 50 - new <= kept < 50
    assert (indices[-1] != indices[-2])[:25].any() and (indices[-1] != indices[-2])[25:].any()


def test_a_draw_is_of_the_pool_and_a_constant_to_the_layers_below(
    chain: LayerChain, digits: ImageDataset
) -> None:
    pool = AdversarialPool(chain, "hidden_1", CONFIG, len(digits.labels))
    pool.renew(digits.images, digits.labels, np.random.default_rng(2))
    data = tf.constant(digits.images), tf.constant(digits.labels)
    key = tf.constant([0, 1], tf.int64)
    with tf.GradientTape() as tape:
        points, labels = pool.draw(*data, 40, key, "auto_select")
        logits = chain.above(points, "hidden_1")
    found = pool.examples(digits.images, digits.labels, digits.indices)
    held = found.image.reshape(len(found.label), -1)
    nearest = np.abs(points.numpy()[:, None] - held[None]).max(axis=2)
    assert nearest.min(axis=1).max() < 1e-5
    np.testing.assert_array_equal(labels, found.label[nearest.argmin(axis=1)])
    assert len(set(nearest.argmin(axis=1))) > 10
    variables = chain.model.trainable_variables
    gradients = tape.gradient(logits, [variable.value for variable in variables])
    trained = [v.path for v, g in zip(variables, gradients, strict=True) if g is not None]
    assert [path.split("/")[0] for path in trained] == ["hidden_2"] * 2 + ["logits"] * 2


def test_examples_follow_the_layers_below(digits: ImageDataset) -> None:
    chain = LayerChain(get_definition("fc20-12-10").build((8, 8, 1), 10, 1))
    pool = AdversarialPool(chain, "hidden_1", CONFIG, len(digits.labels))
    pool.renew(digits.images, digits.labels, np.random.default_rng(0))
    before = pool.examples(digits.images, digits.labels, digits.indices)
    layer = chain.model.get_layer("hidden_1")
    layer.set_weights([1.1 * weight for weight in layer.get_weights()])
    after = pool.examples(digits.images, digits.labels, digits.indices)
    assert np.abs(after.original - before.original).max() > 1e-3
    np.testing.assert_allclose(
        after.image - after.original, before.image - before.original, atol=1e-6
    )


def test_pools_are_of_images_and_of_sigmoid_layers(chain: LayerChain) -> None:
    assert places(chain) == ("images", "hidden_1", "hidden_2")
    convolutional = LayerChain(get_definition("conv").build((8, 8, 1), 10, 0))
    assert places(convolutional) == ("images",)
    with pytest.raises(InputError, match="layer convolution of conv has no sigmoid units"):
        AdversarialPool(convolutional, "convolution", CONFIG, 100)
    expected = "no hidden layer 'hidden'; expected images or one of hidden_1, hidden_2"
    with pytest.raises(InputError, match=expected):
        AdversarialPool(chain, "hidden", CONFIG, 100)


def test_a_pool_that_does_not_fit_in_memory_is_refused(
    chain: LayerChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sysconf", lambda name: 2**15)  # pages, and the size of one: 1 GiB
    config = PoolConfig(size=2**21)
    expected = (
        r"pools of 2,097,152 examples of images, hidden_1 take 0.7 GiB of this machine's 1.0; "
        r"expected at most 50%. Make them smaller, or name fewer layers."
    )
    with pytest.raises(InputError, match=expected):
        make_pools(chain, ["images", "hidden_1"], config, 10**9)
    # There are no more than images.
    assert len(make_pools(chain, ["images", "hidden_1"], config, 100)) == 2


def test_a_batch_holds_a_sane_share() -> None:
    with pytest.raises(InputError, match=r"pool share is 100000000.0; expected at most 100."):
        PoolConfig(share=1e8)


@pytest.mark.parametrize("name", ["size", "renewal", "interval", "share", "distortion"])
def test_settings_are_above_0(name: str) -> None:
    with pytest.raises(InputError, match=f"pool {name} is 0; expected a number above 0."):
        PoolConfig(**{name: 0})
