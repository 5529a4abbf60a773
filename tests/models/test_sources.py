"""Which part of a model is taken, and what it gives: by name, by guess, by the last layer."""

import logging
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.errors import InputError
from tfblindspots.models import ModelInterface, load_classifier, predict_logits

_SHAPE = (3, 2, 1)
_IMAGES = np.random.default_rng(3).random((5, *_SHAPE), np.float32)
_WEIGHTS = np.random.default_rng(4).normal(size=(6, 3)).astype(np.float32)


def _linear(images: tf.Tensor, scale: float = 1.0) -> tf.Tensor:
    return tf.reshape(images, [-1, 6]) @ tf.constant(_WEIGHTS) * scale


def _save(
    directory: Path, functions: dict[str, Callable[[tf.Tensor], dict[str, tf.Tensor]]]
) -> Path:
    spec = tf.TensorSpec([None, *_SHAPE], tf.float32, name="images")
    signatures = {
        name: tf.function(function, input_signature=[spec], autograph=False)
        for name, function in functions.items()
    }
    tf.saved_model.save(tf.Module(), directory, signatures=signatures)
    return directory


def test_parts_of_a_saved_model_by_name(tmp_path: Path) -> None:
    path = _save(
        tmp_path / "two",
        {
            "once": lambda x: {"out": _linear(x)},
            "twice": lambda x: {"a": _linear(x, 2), "b": _linear(x, 3)},
        },
    )
    expected = predict_logits(
        load_classifier(path, interface=ModelInterface(signature="once")), _IMAGES
    )
    np.testing.assert_allclose(expected, _linear(_IMAGES), atol=1e-6)
    parts = [("a", 2), ("b", 3)]
    prints = set()
    for output, factor in parts:
        interface = ModelInterface(signature="twice", input="images", output=output)
        classifier = load_classifier(path, interface=interface)
        np.testing.assert_allclose(
            predict_logits(classifier, _IMAGES), factor * expected, rtol=1e-5
        )
        assert classifier.description["settings"] == {"signature": "twice", "output": output}
        prints.add(classifier.fingerprint)
    assert len(prints) == 2
    for given, message in [
        ({}, "has 2 signatures: once, twice; name the one that gives logits with --signature"),
        ({"signature": "thrice"}, "has no signature 'thrice'; expected once or twice"),
        ({"signature": "twice"}, "has 2 outputs: a, b; name the one that gives logits with --out"),
        ({"signature": "twice", "output": "c"}, "has no output 'c'; expected a or b"),
        ({"signature": "once", "input": "x"}, "has no input 'x'; expected images"),
    ]:
        with pytest.raises(InputError, match=f"^model .*two {message}"):
            load_classifier(path, interface=ModelInterface(**given))


def test_naming_what_is_taken_anyway_changes_nothing(tmp_path: Path) -> None:
    path = _save(tmp_path / "one", {"serving_default": lambda x: {"logits": _linear(x), "b": x}})
    named = ModelInterface(signature="serving_default", output="logits")
    prints = {load_classifier(path, interface=i).fingerprint for i in (ModelInterface(), named)}
    assert len(prints) == 1


def test_the_only_signature_needs_no_name(tmp_path: Path) -> None:
    path = _save(tmp_path / "one", {"odd": lambda x: {"odder": _linear(x)}})
    np.testing.assert_allclose(
        predict_logits(load_classifier(path), _IMAGES), _linear(_IMAGES), atol=1e-6
    )


def test_outputs_of_a_keras_model_by_name() -> None:
    images = keras.Input(_SHAPE)
    flat = keras.layers.Flatten()(images)
    heads = [keras.layers.Dense(3, name=name)(flat) for name in ("colour", "shape")]
    model = keras.Model(images, heads, name="heads")
    with pytest.raises(
        InputError, match=r"^model heads has 2 outputs: colour, shape; name the one"
    ):
        load_classifier(model)
    classifier = load_classifier(model, interface=ModelInterface(output="shape"))
    np.testing.assert_allclose(
        predict_logits(classifier, _IMAGES), model(_IMAGES)[1].numpy(), atol=1e-6
    )


def test_a_keras_model_of_a_list_of_one_input() -> None:
    images = keras.Input(_SHAPE)
    logits = keras.layers.Dense(3)(keras.layers.Flatten()(images))
    listed, plain = keras.Model([images], logits), keras.Model(images, logits)
    np.testing.assert_array_equal(
        *(predict_logits(load_classifier(model), _IMAGES) for model in (listed, plain))
    )


def _binary(activation: str | None, *, nested: bool = False) -> keras.Model:
    images = keras.Input(_SHAPE)
    flat = keras.layers.Flatten()(images)
    z = keras.layers.Dense(
        1, activation, kernel_initializer=keras.initializers.RandomNormal(seed=2)
    )
    inner = keras.Model(images, z(flat), name="inner")
    if not nested:
        return inner
    outer = keras.Input(_SHAPE)
    return keras.Model(outer, inner(outer), name="outer")


def _exported(model: keras.Model, directory: Path) -> Path:
    model.export(directory / "binary", verbose=False)
    return directory / "binary"


def _gradient(logits: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor) -> tf.Tensor:
    with tf.GradientTape() as tape:
        tape.watch(images)
        margin = tf.reduce_sum(logits(images)[:, 1] - logits(images)[:, 0])
    return tape.gradient(margin, images)


@pytest.mark.parametrize("activation", [None, "sigmoid"])
@pytest.mark.parametrize("how", ["plain", "nested", "exported"])
def test_one_output_is_two_classes(
    activation: str | None, how: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The difference of the two logits is z, and so are its gradients, whatever the output is.

    Its weights are so small that z is in [0, 1] for some images.
    """
    model = _binary(activation, nested=how == "nested")
    loadable = _exported(model, tmp_path) if how == "exported" else model
    with caplog.at_level(logging.INFO, logger="absl"):
        classifier = load_classifier(loadable)
    kind = "probability" if activation else "logit"
    assert f"has one output, taken for the {kind} of class 1 beside class 0." in caplog.text
    assert (classifier.num_classes, classifier.probabilities) == (2, activation is not None)
    logits = predict_logits(classifier, _IMAGES)
    kernel, _ = model.get_weights()
    z = _IMAGES.reshape(5, 6) @ kernel[:, 0]
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], z, atol=1e-5)
    slopes = _gradient(classifier.logits, tf.constant(_IMAGES))
    expected = np.broadcast_to(kernel.reshape(1, *_SHAPE), _IMAGES.shape)
    np.testing.assert_allclose(slopes, expected, atol=1e-5)


def test_a_logit_that_is_always_between_0_and_1_is_no_probability(tmp_path: Path) -> None:
    """On images in [0, 1] there is no telling, outside of it there is."""
    path = _save(
        tmp_path / "narrow", {"serving_default": lambda x: {"z": tf.reduce_mean(x, [1, 2])}}
    )
    assert not load_classifier(path).probabilities
    said = load_classifier(path, interface=ModelInterface(output_kind="probabilities"))
    assert said.probabilities and said.fingerprint != load_classifier(path).fingerprint


def test_one_number_an_image_is_two_classes(tmp_path: Path) -> None:
    path = _save(
        tmp_path / "flat",
        {"serving_default": lambda x: {"z": 9 * tf.reduce_mean(x, [1, 2, 3]) - 4}},
    )
    logits = predict_logits(load_classifier(path), _IMAGES)
    expected = 9 * _IMAGES.mean(axis=(1, 2, 3)) - 4
    np.testing.assert_allclose(logits, np.stack([0 * expected, expected], axis=1), atol=1e-5)


def test_probabilities_of_exactly_0_and_1_are_recognised(tmp_path: Path) -> None:
    path = _save(
        tmp_path / "sure",
        {"serving_default": lambda x: {"p": tf.nn.softmax(_linear(x - 0.5, 1e4))}},
    )
    classifier = load_classifier(path)
    assert classifier.probabilities
    assert np.isfinite(predict_logits(classifier, _IMAGES)).all()


def test_logits_that_look_like_probabilities_are_told_by_the_last_layer() -> None:
    images = keras.Input(_SHAPE)
    flat = keras.layers.Flatten()(images)
    bias = keras.initializers.Constant([0.5, 0.5])
    linear = keras.layers.Dense(2, kernel_initializer="zeros", bias_initializer=bias)
    assert not load_classifier(keras.Model(images, linear(flat))).probabilities
    softmax = keras.layers.Softmax()(keras.layers.Dense(2)(flat))
    assert load_classifier(keras.Model(images, softmax)).probabilities
