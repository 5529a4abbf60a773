"""Every family of models, exported and used by TensorFlow and Keras alone."""

import functools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.attacks import AttackConfig, find_adversarial_examples
from tfblindspots.models import (
    FAMILIES,
    Stage,
    build_quocnet,
    export_saved_model,
    get_definition,
    load_classifier,
    predict_classes,
)
from tfblindspots.models.quocnet import filtering, normalization, pooling

# A model of each family, and the smallest images that it takes.
_MODELS = {
    "fc10-1e-2": (8, 8, 1),
    "fc12-9-10": (8, 8, 1),
    "ae20-10": (8, 8, 1),
    "conv": (8, 8, 1),
    "squeezenet": (47, 47, 3),
    "alexnet": (67, 67, 3),
    "alexnet-caffe": (67, 67, 3),
    "MobileNet": (32, 32, 3),
    "quocnet": (12, 12, 3),
}


class _Exported(NamedTuple):
    model: keras.Model
    path: Path
    images: np.ndarray


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], _Exported]:
    """From a model's name to its export, made once."""
    directory = tmp_path_factory.mktemp("conformance")

    @functools.cache
    def export(name: str) -> _Exported:
        shape = _MODELS[name]
        classes = 10 if shape[2] == 1 else 5
        model = _quocnet() if name == "quocnet" else get_definition(name).build(shape, classes, 0)
        export_saved_model(model, directory / name, {"kind": "saved_model"})
        images = np.random.default_rng(0).random((7, *shape), np.float32)
        return _Exported(model, directory / name, images)

    return export


def _quocnet() -> keras.Model:
    """No family, for its layers are trained one by one; with random weights."""
    random = np.random.default_rng(0)
    layers: list[keras.layers.Layer] = []
    shape: tuple[int | None, ...] = (None, *_MODELS["quocnet"])
    for number, stage in enumerate((Stage(3, 1, 4, 2, 2, 3), Stage(2, 1, 5, 2, 1, 3)), start=1):
        for layer in (filtering(number, stage), pooling(number, stage)):
            layers.append(layer)
        layers.append(normalization(number, stage, 1.0))
        for layer in layers[-3:]:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
            layer.set_weights([random.normal(0, 0.3, weight.shape) for weight in layer.weights])
    model = build_quocnet(_MODELS["quocnet"], layers, 5)
    logits = model.get_layer("logits")
    logits.set_weights([random.normal(0, 0.3, weight.shape) for weight in logits.weights])
    return model


def _value_and_gradient(
    function: Callable[[tf.Tensor], tf.Tensor], images: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and the gradient of a function of them that is not linear."""
    batch = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(batch)
        logits = function(batch)
        loss = tf.reduce_sum(tf.reduce_logsumexp(logits, axis=1) - logits[:, 0])
    return logits.numpy(), tape.gradient(loss, batch).numpy()


def _assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    """To 1e-6 of the largest number."""
    assert found.shape == expected.shape
    scale = np.abs(expected).max(initial=0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * scale)


def test_every_family_has_a_model_here() -> None:
    for parse in FAMILIES.values():
        assert any(parse(name) for name in _MODELS)


@pytest.mark.parametrize("name", _MODELS)
def test_loaded_models_compute_the_same(name: str, exports: Callable[[str], _Exported]) -> None:
    model, path, all_images = exports(name)
    loaded = tf.saved_model.load(path)
    serve = loaded.signatures["serving_default"]
    layers = {layer.name: layer.output for layer in model.layers[1:]}
    inner = keras.Model(model.inputs[0], layers)
    for count in (7, 1, 0):
        images = all_images[:count]
        # Keras itself cannot convolve an empty batch on a CPU.
        computed = images if count else all_images[:1]
        expected = [
            part[:count]
            for part in _value_and_gradient(lambda x: model(x, training=False), computed)
        ]
        found = _value_and_gradient(lambda x: serve(images=x)["logits"], images)
        served = serve(images=tf.constant(images))
        activations = loaded.signatures["activations"](images=tf.constant(images))
        answers = inner(computed, training=False)
        for value, known in zip(found, expected, strict=True):
            _assert_same(value, known)
        _assert_same(served["probabilities"].numpy(), tf.nn.softmax(expected[0]).numpy())
        assert served["classes"].dtype == tf.int64
        np.testing.assert_array_equal(served["classes"], expected[0].argmax(axis=1))
        assert activations.keys() == answers.keys()
        for layer, answer in answers.items():
            _assert_same(activations[layer].numpy(), answer.numpy()[:count])


@pytest.mark.parametrize("name", ["fc12-9-10", "conv", "squeezenet"])
def test_as_a_layer_of_keras(name: str, exports: Callable[[str], _Exported]) -> None:
    model, path, images = exports(name)
    layer = keras.layers.TFSMLayer(path, call_endpoint="serving_default")
    expected = _value_and_gradient(lambda x: model(x, training=False), images)
    found = _value_and_gradient(lambda x: layer(x)["logits"], images)
    for value, known in zip(found, expected, strict=True):
        _assert_same(value, known)
    assert layer(images[:0])["logits"].shape == (0, expected[0].shape[1])


def test_attacks_find_the_same_after_saving(exports: Callable[[str], _Exported]) -> None:
    """Here they find the same bits; the tolerance is for compilers that order sums anew."""
    model, path, images = exports("conv")
    before, after = load_classifier(model), load_classifier(path)
    labels = predict_classes(before, images)
    np.testing.assert_array_equal(predict_classes(after, images), labels)
    config = AttackConfig(target="untargeted", effort="fast", batch_size=7)
    found, again = (
        find_adversarial_examples(classifier, images, labels, config)
        for classifier in (before, after)
    )
    assert found.success.all() and again.success.all()
    np.testing.assert_array_equal(again.prediction, found.prediction)
    np.testing.assert_allclose(again.distortion, found.distortion, rtol=1e-5)
    np.testing.assert_allclose(again.image, found.image, rtol=0, atol=1e-6)


# Nothing of this package, nor of Keras: only what a reader of the manual would write.
_STRANGER = """
import sys
import numpy as np
import tensorflow as tf

for name in sys.argv[1:]:
    serve = tf.saved_model.load(name).signatures["serving_default"]
    stored = np.load(name + ".npz")
    images = stored["images"]
    for count in (7, 1, 0):
        logits = serve(images=tf.constant(images[:count]))["logits"].numpy()
        assert logits.shape == (count, stored["logits"].shape[1]), (name, logits.shape)
        error = np.abs(logits - stored["logits"][:count]).max(initial=0)
        assert error <= 1e-6 * np.abs(stored["logits"]).max(), (name, count, error)
assert not {"tfblindspots", "tf_keras"} & sys.modules.keys()
print("all the same")
"""


def test_another_process_computes_the_same(exports: Callable[[str], _Exported]) -> None:
    names = ["fc10-1e-2", "conv", "squeezenet", "alexnet", "quocnet"]
    for name in names:
        model, path, images = exports(name)
        np.savez(f"{path}.npz", images=images, logits=model(images, training=False))
    finished = subprocess.run(
        [sys.executable, "-c", _STRANGER, *names],
        cwd=exports(names[0]).path.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert finished.stdout == "all the same\n", finished.stderr
