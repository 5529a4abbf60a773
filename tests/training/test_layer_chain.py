"""Entering a network at any of its layers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.errors import InputError
from tfblindspots.models import get_definition
from tfblindspots.training.layer_chain import IMAGES, Dropout, LayerChain


@pytest.fixture(scope="module")
def chain() -> LayerChain:
    return LayerChain(get_definition("fc7-5-10").build((4, 4, 1), 10, 0))


@pytest.mark.parametrize("place", ["images", "hidden_1", "hidden_2"])
def test_below_and_above_a_place_make_the_whole_network(chain: LayerChain, place: str) -> None:
    images = np.random.default_rng(0).random((3, 4, 4, 1), np.float32)
    whole = chain.model(images).numpy()
    points = chain.below(tf.constant(images), place)
    assert points.shape == (3, *chain.shape(place))
    np.testing.assert_allclose(chain.above(points, place), whole, rtol=1e-5)


def test_activations_are_those_of_the_weights(chain: LayerChain) -> None:
    images = np.random.default_rng(1).random((3, 4, 4, 1), np.float32)
    kernel, bias = chain.model.get_layer("hidden_1").get_weights()
    expected = 1 / (1 + np.exp(-(images.reshape(3, 16) @ kernel + bias)))
    np.testing.assert_allclose(chain.below(tf.constant(images), "hidden_1"), expected, rtol=1e-5)


def test_hidden_layers_are_neither_flattening_nor_logits(chain: LayerChain) -> None:
    assert chain.hidden == ("hidden_1", "hidden_2")


def test_a_branching_network_is_refused() -> None:
    images = keras.Input((2, 2, 1))
    flat = keras.layers.Flatten()(images)
    left, right = keras.layers.Dense(3)(flat), keras.layers.Dense(3)(flat)
    model = keras.Model(images, keras.layers.Add()([left, right]), name="forked")
    with pytest.raises(InputError, match="model forked branches; expected a chain of layers"):
        LayerChain(model)


def test_dropout_drops_its_share_scales_the_rest_and_depends_on_its_key_alone() -> None:
    ones = tf.ones([200, 50])
    key = tf.constant([3, 4], tf.int64)
    dropout = Dropout(0.25, 0.5, key, "auto_select")
    for number, rate in ((0, 0.25), (1, 0.5), (2, 0.5)):
        values, counts = np.unique(dropout(ones, number), return_counts=True)
        np.testing.assert_allclose(values, [0, 1 / (1 - rate)])
        assert counts[0] / ones.numpy().size == pytest.approx(rate, abs=0.02)
    again = Dropout(0.25, 0.5, key, "auto_select")
    np.testing.assert_array_equal(again(ones, 1), dropout(ones, 1))
    assert (dropout(ones, 1).numpy() != dropout(ones, 2).numpy()).any()


def test_dropout_is_of_pixels_and_of_hidden_units_but_not_of_logits(chain: LayerChain) -> None:
    images = tf.random.stateless_uniform([3, 4, 4, 1], [1, 2])
    key = tf.constant([0, 0], tf.int64)
    plain = chain.above(images, IMAGES).numpy()
    for rates in ((0.5, 0.0), (0.0, 0.5)):
        dropped = chain.above(images, IMAGES, Dropout(*rates, key, "auto_select")).numpy()
        assert (dropped != plain).any()
        assert (dropped != 0).all()
    # Above the last hidden layer there is nothing to drop.
    points = chain.below(images, "hidden_2")
    both = Dropout(0.5, 0.5, key, "auto_select")
    np.testing.assert_array_equal(
        chain.above(points, "hidden_2", both), chain.above(points, "hidden_2")
    )
