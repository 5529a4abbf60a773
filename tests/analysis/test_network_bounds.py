"""Bounds of whole networks against products, sums and pairs of inputs."""

import re
from collections.abc import Callable

import keras
import numpy as np
import pytest

from tfblindspots.analysis import LayerBounds, network_bounds
from tfblindspots.errors import InputError

layers = keras.layers


def randomize(model: keras.Model) -> keras.Model:
    """Gives every weight a random value; those that must be positive are."""
    generator = np.random.default_rng(0)
    model.set_weights(
        [
            generator.uniform(0.5, 2, w.shape) if w.ndim == 1 else generator.normal(size=w.shape)
            for w in model.get_weights()
        ]
    )
    return model


def by_name(model: keras.Model) -> dict[str, LayerBounds]:
    """The bounds of a model's layers."""
    return {row.name: row for row in network_bounds(model).layers}


def norm(model: keras.Model, layer: str) -> float:
    """Norm of a dense layer's kernel."""
    return float(np.linalg.norm(model.get_layer(layer).kernel.numpy(), 2))


def largest_ratio(model: keras.Model, shape: tuple[int, ...]) -> float:
    """How far the model carries pairs of near inputs apart, at most."""
    generator = np.random.default_rng(1)
    points = generator.normal(size=(200, *shape)).astype(np.float32)
    steps = 0.01 * generator.normal(size=points.shape).astype(np.float32)
    answers = [np.asarray(model(p, training=False)) for p in (points, points + steps)]
    apart = np.linalg.norm((answers[1] - answers[0]).reshape(200, -1), axis=1)
    return float((apart / np.linalg.norm(steps.reshape(200, -1), axis=1)).max())


def test_a_chain_multiplies() -> None:
    model = randomize(
        keras.Sequential(
            [
                keras.Input((6,)),
                layers.Dense(5, activation="relu", name="a"),
                layers.Dense(4, activation="sigmoid", name="b"),
                layers.Dense(3, name="c"),
            ]
        )
    )
    rows = by_name(model)
    assert list(rows) == ["a", "b", "c"]
    assert rows["b"].constant == pytest.approx(norm(model, "b") / 4, rel=1e-6)
    expected = norm(model, "a") * norm(model, "b") / 4 * norm(model, "c")
    assert rows["c"].network == pytest.approx(expected, rel=1e-6)
    assert rows["c"].unknown == ()
    assert rows["c"].kernel == (4, 3)


def _two_ways(join: Callable[[list[keras.KerasTensor]], keras.KerasTensor]) -> keras.Model:
    inputs = keras.Input((6,))
    left = layers.Dense(4, name="left")(inputs)
    right = layers.Dense(4, name="right")(layers.Dense(5, name="middle")(inputs))
    return randomize(keras.Model(inputs, join([left, right])))


@pytest.mark.parametrize(
    ("join", "expected"),
    [
        (layers.Add(), lambda a, b: a + b),
        (layers.Subtract(), lambda a, b: a + b),
        (layers.Average(), lambda a, b: (a + b) / 2),
        (layers.Concatenate(), np.hypot),
        (layers.Maximum(), np.hypot),
        (lambda pair: pair[0] + pair[1], lambda a, b: a + b),
        (lambda pair: keras.ops.maximum(*pair), np.hypot),
        (lambda pair: keras.ops.concatenate(pair, axis=1), np.hypot),
        (lambda pair: layers.Add()([pair[0], 3 * pair[1] - 1]), lambda a, b: a + 3 * b),
        (lambda pair: layers.Add()([pair[0], -pair[1] / 4]), lambda a, b: a + b / 4),
    ],
)
def test_paths_that_meet(
    join: Callable[[list[keras.KerasTensor]], keras.KerasTensor],
    expected: Callable[[float, float], float],
) -> None:
    model = _two_ways(join)
    last = network_bounds(model).layers[-1]
    bound = expected(norm(model, "left"), norm(model, "middle") * norm(model, "right"))
    assert last.network == pytest.approx(bound, rel=1e-6)
    assert last.unknown == ()
    assert largest_ratio(model, (6,)) <= bound


def test_residual_blocks_add_1() -> None:
    inputs = keras.Input((4,))
    model = randomize(keras.Model(inputs, inputs + layers.Dense(4, name="block")(inputs)))
    assert network_bounds(model).bound == pytest.approx(1 + norm(model, "block"), rel=1e-6)


def test_what_broadcasting_repeats_counts_as_often() -> None:
    images = keras.Input((3, 2, 4))
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(images)
    model = keras.Model(images, images - pooled)
    last = network_bounds(model).layers[-1]
    # The mean of 6 pixels: a factor of 1 / sqrt(6), and sqrt(6) for being everywhere.
    assert last.network == pytest.approx(2)
    assert last.constant == pytest.approx(7**0.5)


def test_batch_normalisation_is_folded_into_the_layer_before() -> None:
    images = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 3, padding="same", name="convolution")(images)
    x = layers.BatchNormalization(name="normalization")(x)
    model = randomize(keras.Model(images, layers.ReLU(name="relu")(x)))
    rows = by_name(model)
    units = np.eye(108, dtype=np.float32).reshape(-1, 6, 6, 3)
    linear = keras.Model(images, x)
    matrix = np.asarray(linear(units) - linear(np.zeros((1, 6, 6, 3)))).reshape(108, -1)
    padded = rows["convolution"].padded_norm
    assert padded == pytest.approx(np.linalg.norm(matrix, 2), rel=0.02)
    bounds = rows["convolution"].bounds
    assert bounds is not None
    assert padded <= bounds.upper
    assert rows["convolution"].folded == "normalization"
    assert rows["normalization"].constant == 1
    assert rows["relu"].network == bounds.upper


def test_batch_normalisation_stands_alone_where_others_see_what_it_takes() -> None:
    inputs = keras.Input((4,))
    x = layers.Dense(4, name="dense")(inputs)
    model = randomize(
        keras.Model(inputs, layers.Add()([x, layers.BatchNormalization(name="norm")(x)]))
    )
    rows = by_name(model)
    assert rows["dense"].folded is None
    gamma, _, _, variance = model.get_layer("norm").get_weights()
    factor = (gamma / np.sqrt(variance + 1e-3)).max()
    assert rows["norm"].constant == pytest.approx(factor, rel=1e-5)
    last = network_bounds(model).layers[-1]
    assert last.network == pytest.approx(norm(model, "dense") * (1 + factor), rel=1e-5)


def test_nested_models_are_looked_into() -> None:
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="own")], name="inner")
    inputs = keras.Input((5,))
    model = randomize(keras.Model(inputs, inner(layers.Dense(4, name="first")(inputs))))
    rows = by_name(model)
    assert list(rows) == ["first", "inner/own"]
    expected = norm(model, "first") * norm(inner, "own")
    assert rows["inner/own"].network == pytest.approx(expected, rel=1e-6)


def test_unknown_layers_are_named_and_what_follows_is_no_bound() -> None:
    inputs = keras.Input((4,))
    x = layers.LayerNormalization(name="strange")(layers.Dense(4, name="first")(inputs))
    gate = layers.Multiply(name="gate")([x, layers.Dense(4, name="side")(inputs)])
    model = randomize(keras.Model(inputs, layers.Dense(2, name="last")(gate)))
    rows = by_name(model)
    assert rows["first"].unknown == ()
    assert rows["strange"].constant is None
    assert rows["strange"].network == rows["first"].network
    assert rows["last"].unknown == ("strange", "gate")
    assert rows["last"].constant == pytest.approx(norm(model, "last"), rel=1e-6)


def test_mobile_net_is_below_its_bound() -> None:
    model = keras.applications.MobileNetV2(
        (32, 32, 3), alpha=0.35, weights=None, classes=5, classifier_activation=None
    )
    rows, bound, unknown = network_bounds(model, power_iterations=False)
    assert unknown == ()
    assert all(row.padded_norm is None for row in rows)
    assert largest_ratio(model, (32, 32, 3)) <= bound
    # Inputs are reported with everything that they go through.
    assert {row.kind for row in rows} >= {"Conv2D", "DepthwiseConv2D", "Add", "ReLU"}


def test_the_bound_is_of_the_output_and_not_of_what_was_computed_last() -> None:
    inputs = keras.Input((5,))
    first = layers.Dense(3, name="first")(inputs)
    inner = keras.Model(inputs, [first, layers.Dense(2, name="second")(first)], name="inner")
    outer = keras.Input((5,))
    model = randomize(keras.Model(outer, inner(outer)[0]))
    found = network_bounds(model)
    assert found.layers[-1].name == "inner/second"
    assert found.bound == pytest.approx(norm(inner, "first"), rel=1e-6)


def test_each_use_of_a_layer_has_a_row() -> None:
    inputs = keras.Input((4,))
    shared = layers.Dense(4, name="d")
    inner = keras.Sequential(
        [keras.Input((4,)), layers.Dense(4, name="e"), layers.BatchNormalization(name="bn")],
        name="inner",
    )
    model = randomize(keras.Model(inputs, inner(inner(shared(3 * shared(inputs))))))
    rows = by_name(model)
    assert {"d", "d (2)", "inner/e", "inner/e (2)", "inner/bn", "inner/bn (2)"} < set(rows)
    assert rows["d (2)"].network == pytest.approx(3 * rows["d"].network ** 2, rel=1e-6)
    assert rows["inner/e (2)"].folded == "inner/bn (2)"


def test_normalisation_of_another_axis_is_not_folded() -> None:
    images = keras.Input((3, 6, 5))  # channels first
    x = layers.Conv2D(5, 3, padding="same", data_format="channels_first", name="conv")(images)
    last = keras.Model(images, layers.BatchNormalization(name="bn")(x))
    first = keras.Model(images, layers.BatchNormalization(axis=1, name="bn")(x))
    for model, folded in ((last, None), (first, "bn")):
        rows = {row.name: row for row in network_bounds(model, power_iterations=False).layers}
        assert rows["conv"].folded == folded


def test_a_nested_model_of_open_size_has_that_of_what_it_takes() -> None:
    inner = keras.Sequential(
        [keras.Input((None, None, 2)), layers.Conv2D(3, 3, name="conv")], name="inner"
    )
    images = keras.Input((6, 7, 2))
    model = randomize(keras.Model(images, inner(images)))
    fixed = keras.Sequential([keras.Input((6, 7, 2)), layers.Conv2D(3, 3, name="conv")])
    fixed.set_weights(model.get_weights())
    assert network_bounds(model).bound == pytest.approx(network_bounds(fixed).bound, rel=1e-9)


class Nonuple(keras.Model):
    """Built as a graph, and computes something else."""

    def call(self, inputs: object) -> object:
        return 9 * super().call(inputs)


def test_a_nested_model_that_is_no_graph_is_unknown() -> None:
    inner_inputs = keras.Input((4,))
    inner = Nonuple(inner_inputs, layers.Dense(4)(inner_inputs), name="inner")
    inputs = keras.Input((4,))
    found = network_bounds(keras.Model(inputs, inner(inputs)))
    assert found.unknown == ("inner",)


def test_weighted_averages_are_not_taken_for_the_layer() -> None:
    inputs = keras.Input((4,))
    weighted = keras.ops.average(inputs, axis=-1, weights=np.array([9.0, -9.0, 1, 0]))
    assert network_bounds(keras.Model(inputs, weighted)).unknown


class Subclassed(keras.Model):
    """Says nothing of its layers."""


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Subclassed(name="own"), "model own does not say what its layers are"),
        (
            lambda: keras.Sequential(
                [keras.Input((None, None, 3)), layers.Conv2D(1, 3)], name="open"
            ),
            "model open takes images of any size; expected a fixed height and width",
        ),
        (
            lambda: keras.Model(i := keras.Input((2,)), [layers.Dense(1)(i), i], name="two"),
            "model two has 2 outputs; expected one, whose bound is asked for.",
        ),
    ],
)
def test_models_without_a_graph_or_a_size_are_refused(
    make: Callable[[], keras.Model], message: str
) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        network_bounds(make())
