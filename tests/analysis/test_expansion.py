"""Measured ratios of distances against those of the layers' outputs, computed one by one."""

import re

import keras
import numpy as np
import pytest

from tfblindspots.analysis import measure_expansion, network_bounds
from tfblindspots.errors import InputError

layers = keras.layers


def branching_model() -> keras.Model:
    """A convolution with normalisation, a nested model, and a sum."""
    images = keras.Input((6, 6, 2))
    x = layers.Conv2D(4, 3, padding="same", name="convolution")(images)
    x = layers.BatchNormalization(name="normalization")(x)
    x = layers.ReLU(name="relu")(x)
    inner = keras.Sequential(
        [keras.Input((6, 6, 4)), layers.Conv2D(4, 1, name="pointwise")], name="inner"
    )
    x = layers.Flatten(name="flatten")(layers.Add(name="sum")([x, inner(x)]))
    model = keras.Model(images, layers.Dense(3, name="logits")(layers.Dropout(0.5)(x)))
    generator = np.random.default_rng(0)
    model.set_weights([generator.uniform(0.2, 1, w.shape) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def pairs() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(1)
    originals = generator.random((5, 6, 6, 2)).astype(np.float32)
    return originals, originals + 0.01 * generator.normal(size=originals.shape).astype(np.float32)


def apart(model: keras.Model, layer: str, pairs: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Distances of what a layer gives for both images."""
    part = keras.Model(model.inputs[0], model.get_layer(layer).output)
    first, second = (np.asarray(part(images), np.float64).reshape(5, -1) for images in pairs)
    return np.linalg.norm(second - first, axis=1)


def test_ratios_are_those_of_the_layers_outputs(
    monkeypatch: pytest.MonkeyPatch, pairs: tuple[np.ndarray, np.ndarray]
) -> None:
    model = branching_model()
    rows = network_bounds(model).layers
    # Batches of two and one.
    monkeypatch.setattr("tfblindspots.analysis.expansion._BATCH_NUMBERS", 3500)
    found, output = measure_expansion(model, rows, *pairs)
    images = np.linalg.norm((pairs[1] - pairs[0]).reshape(5, -1), axis=1)
    # The convolution is measured with the normalisation that is part of its bounds.
    expected = apart(model, "normalization", pairs) / images
    np.testing.assert_allclose(found["convolution"].layer, expected, rtol=1e-3)
    assert "normalization" not in found
    logits = apart(model, "logits", pairs)
    np.testing.assert_allclose(found["logits"].network, logits / images, rtol=1e-3)
    np.testing.assert_allclose(output, logits / images, rtol=1e-3)
    expected = logits / apart(model, "flatten", pairs)
    np.testing.assert_allclose(found["logits"].layer, expected, rtol=1e-3)
    assert "inner/pointwise" in found
    for row in rows:
        if row.name in found:
            assert row.constant is not None
            assert (found[row.name].layer <= row.constant * (1 + 1e-3)).all()
            assert (found[row.name].network <= row.network * (1 + 1e-3)).all()


def test_a_layer_that_sees_no_difference_has_no_ratio() -> None:
    images = keras.Input((2, 2, 1))
    dead = layers.Dense(1, activation="relu", bias_initializer=keras.initializers.Constant(-9.0))
    x = dead(layers.Flatten()(images))
    model = keras.Model(images, layers.Dense(2, name="logits")(x))
    pair = np.zeros((1, 2, 2, 1), np.float32), np.full((1, 2, 2, 1), 0.1, np.float32)
    found, output = measure_expansion(model, network_bounds(model).layers, *pair)
    assert np.isnan(found["logits"].layer).all()
    assert found["logits"].network == output == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a, b: (a, a), "image 0 equals its original; expected pairs that differ."),
        (
            lambda a, b: (a[:, :5], b[:, :5]),
            "images have shape [5, 5, 6, 2], originals [5, 5, 6, 2]; model",
        ),
        (lambda a, b: (a[:2], b), "images have shape [5, 6, 6, 2], originals [2, 6, 6, 2]; model"),
    ],
)
def test_what_are_no_pairs_is_refused(
    pairs: tuple[np.ndarray, np.ndarray], change: object, message: str
) -> None:
    model = branching_model()
    with pytest.raises(InputError, match=re.escape(message)):
        measure_expansion(model, network_bounds(model).layers, *change(*pairs))  # type: ignore[operator]


def test_it_measures_inference_whatever_the_graph_was_built_with(
    pairs: tuple[np.ndarray, np.ndarray],
) -> None:
    images = keras.Input((6, 6, 2))
    x = layers.BatchNormalization(name="normalization")(images, training=True)
    x = layers.Dropout(0.9)(x, training=True)
    model = keras.Model(images, x)
    before = model.get_weights()
    found = measure_expansion(model, network_bounds(model).layers, *pairs)
    np.testing.assert_allclose(found.output, 1 / np.sqrt(1.001), rtol=1e-3)
    for weights, same in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weights, same)


def test_uses_of_a_shared_layer_are_measured_apart(
    pairs: tuple[np.ndarray, np.ndarray],
) -> None:
    images = keras.Input((6, 6, 2))
    shared = layers.Rescaling(2.0, name="shared")
    model = keras.Model(images, shared(3 * shared(images)))
    found = measure_expansion(model, network_bounds(model).layers, *pairs).layers
    np.testing.assert_allclose(found["shared"].network, 2, rtol=1e-4)
    np.testing.assert_allclose(found["shared (2)"].network, 12, rtol=1e-4)
