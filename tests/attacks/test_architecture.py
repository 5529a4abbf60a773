"""Networks that differ by their weights alone share what is compiled, and nothing else does."""

import concurrent.futures
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from tests.attacks.conftest import make_classifier
from tfblindspots.attacks import AttackConfig, find_adversarial_examples
from tfblindspots.attacks.architecture import trace
from tfblindspots.attacks.passes import _compiled
from tfblindspots.models import Classifier, get_definition, load_classifier, predict_classes

Activation = Callable[[tf.Tensor], tf.Tensor]


def make_network(seed: int, activation: Activation = tf.tanh, width: int = 6) -> Classifier:
    """A network of variables: 16, ``width``, 3."""
    generator = np.random.default_rng(seed)
    first = tf.Variable(generator.normal(size=(16, width)).astype(np.float32))
    second = tf.Variable(generator.normal(size=(width, 3)).astype(np.float32))

    def logits(images: tf.Tensor) -> tf.Tensor:
        return activation((tf.reshape(images, [-1, 16]) - 0.5) @ first) @ second

    return make_classifier(logits, (4, 4, 1), 3)


def check_attack(network: Classifier, images: np.ndarray) -> np.ndarray:
    """Attacks with two sizes of batch; what is found is adversarial and next to the boundary."""
    labels = predict_classes(network, images)
    found = find_adversarial_examples(
        network, images, labels, AttackConfig("untargeted", batch_size=80)
    )
    assert found.success.all()
    shorter = images + np.float32(0.97) * (found.image - images)
    np.testing.assert_array_equal(predict_classes(network, shorter), labels)
    return found.image


def test_each_network_is_attacked_with_its_own_weights() -> None:
    """What is compiled later, for more images, is compiled for another network."""
    images = np.random.default_rng(1).uniform(size=(70, 4, 4, 1)).astype(np.float32)
    first, second = make_network(0), make_network(1)
    before = _compiled.cache_info().misses
    few = check_attack(first, images[:9])
    many = check_attack(second, images)
    np.testing.assert_allclose(check_attack(first, images)[:9], few, atol=1e-2)
    np.testing.assert_array_equal(check_attack(second, images), many)
    assert _compiled.cache_info().misses == before + 1


def test_networks_of_one_architecture_are_equal_and_keep_their_weights() -> None:
    networks = [make_network(seed) for seed in (0, 1)]
    first, second = map(trace, networks)
    assert first == second and hash(first) == hash(second)
    assert (first.classifier, second.classifier) == tuple(networks)
    assert not {id(weight) for weight in first.weights} & {id(weight) for weight in second.weights}


def test_networks_are_told_apart_by_all_but_their_weights(network: Classifier) -> None:
    plain = trace(make_network(0))
    others = [
        make_network(0, tf.sigmoid),
        make_network(0, width=7),
        make_network(0, lambda x: tf.tanh(2.0 * x)),
        make_network(0, lambda x: tf.tanh(x) + tf.constant(np.arange(6.0), tf.float32)),
        network,  # its weights are constants of its graph
    ]
    networks = [plain, *map(trace, others)]
    assert len(set(networks)) == len(networks)


def through_python(x: tf.Tensor) -> tf.Tensor:
    return tf.ensure_shape(tf.numpy_function(np.tanh, [x], tf.float32), [None, 6])


@tf.custom_gradient
def with_own_gradient(x: tf.Tensor) -> tuple[tf.Tensor, Activation]:
    return tf.tanh(x), lambda upstream: upstream


def with_tensor_made_anew(x: tf.Tensor) -> tf.Tensor:
    with tf.init_scope():
        large = tf.random.stateless_uniform([100, 6], seed=[0, 0])
    return tf.tanh(x + large[0])


@pytest.mark.parametrize("activation", [through_python, with_own_gradient, with_tensor_made_anew])
def test_what_cannot_be_compared_is_not_shared(activation: Activation) -> None:
    first, second = (trace(make_network(seed, activation)) for seed in (0, 1))
    assert first != second


def test_saved_and_keras_models_are_compared() -> None:
    def build(name: str, seed: int) -> Classifier:
        return load_classifier(get_definition(name).build((8, 8, 1), 10, seed))

    conv = trace(build("conv", 0))
    assert conv.convolutional and conv == trace(build("conv", 1))
    dense = trace(build("fc9-10", 0))
    assert not dense.convolutional and dense == trace(build("fc9-10", 1)) != conv
    first, second = (
        trace(load_classifier(f"saved_models/digits/{name}")) for name in ("fc10-1", "fc10-1e-4")
    )
    assert first == second != dense


def test_attacks_at_the_same_time_and_within_each_other_keep_to_their_network() -> None:
    images = np.random.default_rng(2).uniform(size=(9, 4, 4, 1)).astype(np.float32)
    networks = [make_network(seed) for seed in (3, 4)]
    alone = [check_attack(network, images) for network in networks]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = list(pool.map(check_attack, networks * 4, [images] * 8))
    for i, image in enumerate(found):
        np.testing.assert_array_equal(image, alone[i % 2])

    within = []
    first, labels = networks[0], predict_classes(networks[0], images)
    outer = find_adversarial_examples(
        first,
        images,
        labels,
        AttackConfig("untargeted", batch_size=80),
        progress=lambda _: within.append(check_attack(networks[1], images)),
    )
    np.testing.assert_array_equal(outer.image, alone[0])
    assert within
    for image in within:
        np.testing.assert_array_equal(image, alone[1])
