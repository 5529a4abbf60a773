"""Models of every origin become the same classifier; what is no classifier is refused."""

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tfblindspots.errors import InputError
from tfblindspots.models import export_saved_model, load_classifier, predict_logits

_SHAPE = (4, 3, 2)
_IMAGES = np.random.default_rng(3).random((5, *_SHAPE), np.float32)


def _model(activation: str | None = None) -> keras.Model:
    """A small Keras network with weights that depend on nothing but this line."""
    return keras.Sequential(
        [
            keras.Input(_SHAPE),
            keras.layers.Flatten(),
            keras.layers.Dense(
                6, "tanh", kernel_initializer=keras.initializers.RandomNormal(seed=1)
            ),
            keras.layers.Dense(
                3, activation, kernel_initializer=keras.initializers.RandomNormal(stddev=2, seed=2)
            ),
        ],
        name="small",
    )


Loadable = keras.Model | Path | str


def _in_memory(model: keras.Model, directory: Path) -> Loadable:
    return model


def _keras_file(model: keras.Model, directory: Path) -> Loadable:
    model.save(directory / "small.keras")
    return directory / "small.keras"


def _h5_file(model: keras.Model, directory: Path) -> Loadable:
    model.save(directory / "small.h5")
    return directory / "small.h5"


def _legacy(model: keras.Model) -> Any:
    """The same network, with the same weights, of Keras 2."""
    legacy = tf_keras.models.Sequential(name="small")
    legacy.add(tf_keras.layers.Input(_SHAPE))
    legacy.add(tf_keras.layers.Flatten())
    legacy.add(tf_keras.layers.Dense(6, "tanh"))
    legacy.add(tf_keras.layers.Dense(3, model.layers[-1].activation.__name__))
    legacy.set_weights(model.get_weights())
    return legacy


def _legacy_in_memory(model: keras.Model, directory: Path) -> Loadable:
    return _legacy(model)


def _legacy_keras_file(model: keras.Model, directory: Path) -> Loadable:
    _legacy(model).save(directory / "small.keras")
    return directory / "small.keras"


def _legacy_h5_file(model: keras.Model, directory: Path) -> Loadable:
    with pytest.warns(UserWarning, match="HDF5 file via `model.save"):
        _legacy(model).save(directory / "small.h5")
    return directory / "small.h5"


def _legacy_saved_model(model: keras.Model, directory: Path) -> Loadable:
    _legacy(model).save(directory / "small")
    return directory / "small"


def _only_callable(model: keras.Model, directory: Path) -> Loadable:
    """A SavedModel without signatures."""
    module = tf.Module()
    module.weights = [weight.value for weight in model.weights]

    @tf.function(autograph=False, input_signature=[_images(None, *_SHAPE)])
    def call(images: tf.Tensor) -> tf.Tensor:
        return model(images, training=False)

    module.__call__ = call
    tf.saved_model.save(module, directory / "small", signatures={})
    return directory / "small"


def _of_fixed_batches(size: int, model: keras.Model, directory: Path) -> Loadable:
    module = tf.Module()
    module.weights = [weight.value for weight in model.weights]
    signature = tf.function(
        lambda images: model(images, training=False),
        input_signature=[_images(size, *_SHAPE)],
        autograph=False,
    )
    tf.saved_model.save(module, directory / "small", signatures={"serving_default": signature})
    return directory / "small"


def _keras_export(model: keras.Model, directory: Path) -> Loadable:
    model.export(directory / "small", verbose=False)
    return str(directory / "small")


def _own_export(model: keras.Model, directory: Path) -> Loadable:
    export_saved_model(model, directory / "small", {"kind": "saved_model"})
    return directory / "small"


_ORIGINS = [
    *(_in_memory, _keras_file, _h5_file, _keras_export, _own_export, _only_callable),
    *(_legacy_in_memory, _legacy_keras_file, _legacy_h5_file, _legacy_saved_model),
    *(functools.partial(_of_fixed_batches, size) for size in (2, 8)),
]
Origin = Callable[[keras.Model, Path], Loadable]


def _loss_gradient(logits: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor) -> tf.Tensor:
    with tf.GradientTape() as tape:
        tape.watch(images)
        loss = tf.reduce_sum(tf.reduce_logsumexp(logits(images), axis=1) - logits(images)[:, 0])
    return tape.gradient(loss, images)


@pytest.mark.parametrize("origin", _ORIGINS)
def test_logits_come_through(origin: Origin, tmp_path: Path) -> None:
    model = _model()
    classifier = load_classifier(origin(model, tmp_path))
    assert classifier.name == "small"
    assert classifier.image_shape == _SHAPE
    assert classifier.num_classes == 3
    assert not classifier.probabilities
    assert len(classifier.fingerprint) == 64
    np.testing.assert_allclose(predict_logits(classifier, _IMAGES), model(_IMAGES), atol=1e-6)


@pytest.mark.parametrize("jit_compile", [None, False, True], ids=["eager", "graph", "xla"])
@pytest.mark.parametrize("origin", _ORIGINS)
def test_gradients_come_through(origin: Origin, jit_compile: bool | None, tmp_path: Path) -> None:
    model = _model()
    classifier = load_classifier(origin(model, tmp_path))

    def gradient(images: tf.Tensor) -> tf.Tensor:
        return _loss_gradient(classifier.logits, images)

    if jit_compile is not None:
        gradient = tf.function(gradient, jit_compile=jit_compile)
    images = tf.constant(_IMAGES)
    np.testing.assert_allclose(gradient(images), _loss_gradient(model, images), atol=1e-6)


@pytest.mark.parametrize("origin", _ORIGINS)
def test_loops_keep_their_static_shape(origin: Origin, tmp_path: Path) -> None:
    classifier = load_classifier(origin(_model(), tmp_path))

    @tf.function(autograph=False)
    def last_logits(images: tf.Tensor) -> tf.Tensor:
        def body(step: tf.Tensor, logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return step + 1, classifier.logits(images)

        return tf.while_loop(lambda step, _: step < 2, body, (0, tf.zeros([5, 3])))[1]

    np.testing.assert_allclose(last_logits(_IMAGES), predict_logits(classifier, _IMAGES), atol=1e-6)


@pytest.mark.parametrize("origin", [_in_memory, _keras_file, _keras_export, _legacy_saved_model])
def test_probabilities_become_their_logarithms(
    origin: Origin, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loadable = origin(_model("softmax"), tmp_path)
    with caplog.at_level(logging.INFO, logger="absl"):
        classifier = load_classifier(loadable)
    assert classifier.probabilities
    assert [record.getMessage() for record in caplog.records if record.name == "absl"] == [
        "Model small returns probabilities; their logarithms serve as logits."
    ]
    expected = tf.nn.log_softmax(_model()(_IMAGES))
    np.testing.assert_allclose(predict_logits(classifier, _IMAGES), expected, atol=1e-5)
    images = tf.constant(_IMAGES)
    np.testing.assert_allclose(
        _loss_gradient(classifier.logits, images), _loss_gradient(_model(), images), atol=1e-5
    )


def test_vanishing_probabilities_stay_finite() -> None:
    model = _model("softmax")
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel * 200, bias])
    classifier = load_classifier(model)
    assert (model(_IMAGES).numpy() == 0).any()
    assert np.isfinite(predict_logits(classifier, _IMAGES)).all()
    assert np.isfinite(_loss_gradient(classifier.logits, tf.constant(_IMAGES))).all()


def test_names() -> None:
    assert load_classifier(_model(), name="mine").name == "mine"


def test_fingerprints_tell_models_apart(tmp_path: Path) -> None:
    first, again, other = _model(), _model(), _model()
    other.layers[-1].set_weights([weight + 1 for weight in other.layers[-1].get_weights()])
    prints = [load_classifier(model).fingerprint for model in (first, again, other)]
    assert prints[0] == prints[1] != prints[2]
    # The manifest of an export is no part of the model.
    exported = load_classifier(_own_export(first, tmp_path)).fingerprint
    (tmp_path / "small" / "assets.extra" / "manifest.json").write_text("{}")
    assert load_classifier(tmp_path / "small").fingerprint == exported


def test_weights_are_told_apart_from_their_export(tmp_path: Path) -> None:
    found = []
    for name, change in (("first", 0), ("again", 0), ("retrained", 1e-3)):
        model = _model()
        model.layers[-1].set_weights([w + change for w in model.layers[-1].get_weights()])
        _model()(_IMAGES)  # moves the counters of names
        (tmp_path / name).mkdir()
        found.append(load_classifier(_own_export(model, tmp_path / name)))
    first, again, retrained = found
    assert len({classifier.fingerprint for classifier in found}) == 3
    assert first.weights_fingerprint == again.weights_fingerprint
    assert first.weights_fingerprint not in (None, retrained.weights_fingerprint)
    assert first.description["weights_fingerprint"] == first.weights_fingerprint
    assert load_classifier(_model()).weights_fingerprint is None


def _save(directory: Path, function: Callable[..., tf.Tensor], *specs: tf.TensorSpec) -> Path:
    module = tf.Module()
    compiled = tf.function(function, input_signature=specs, autograph=False)
    tf.saved_model.save(module, directory, signatures={"serving_default": compiled})
    return directory


def _images(*shape: int | None, dtype: tf.DType = tf.float32, name: str = "x") -> tf.TensorSpec:
    return tf.TensorSpec(shape, dtype, name=name)


def _sums(images: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"out": tf.reduce_sum(images, [1, 2])}


@pytest.mark.parametrize(
    ("function", "specs", "message"),
    [
        (
            lambda x, y: {"out": x + y},
            [_images(None, 2), _images(None, 2, name="y")],
            r"has 2 inputs \(x, y\); expected one, a batch of images",
        ),
        (
            lambda x: {"a": x, "b": x},
            [_images(None, 4, 4, 3)],
            "has 2 outputs: a, b; name the one that gives logits with --output",
        ),
        (
            _sums,
            [_images(None, None, 4, 3)],
            r"takes images of any size, \[any, any, 4, 3\]; give its size with --image_size",
        ),
        (
            _sums,
            [_images(None, 4, 4, None)],
            r"takes input of shape \[any, 4, 4, any\]; expected .* a fixed number of channels",
        ),
        (
            lambda x: {"out": x},
            [_images(None, 16)],
            r"takes input of shape \[any, 16\]; expected images \[any, height, width, channels\]",
        ),
        (
            lambda x: {"out": tf.reduce_sum(x)},
            [tf.TensorSpec(None, tf.float32, name="x")],
            "takes input of unknown rank; expected images",
        ),
        (
            lambda x: {"out": tf.cast(tf.reduce_sum(x, [1, 2]), tf.float32)},
            [_images(None, 4, 4, 3, dtype=tf.uint8)],
            "takes images of uint8, through which there is no gradient; expected float32",
        ),
        (
            lambda x: {"out": tf.reduce_sum(x, [1])},
            [_images(None, 4, 4, 3)],
            r"returns shape \[4, 4, 3\] for 4 images; expected one row of classes for each",
        ),
        (
            lambda x: {"out": tf.math.log(tf.reduce_sum(x, [1, 2]) - 100)},
            [_images(None, 4, 4, 3)],
            "returns NaN; expected finite logits",
        ),
        (
            lambda x: {"out": tf.reshape(x, tf.stack([tf.constant(7), tf.size(x) // 8]))},
            [_images(None, 4, 4, 3)],
            r"fails on random images of shape \[4, 4, 4, 3\] \(.*\); expected a model that takes",
        ),
    ],
)
def test_rejects_saved_models(
    function: Callable[..., tf.Tensor], specs: list[tf.TensorSpec], message: str, tmp_path: Path
) -> None:
    directory = _save(tmp_path / "odd", function, *specs)
    with pytest.raises(InputError, match=f"^model .*odd {message}") as caught:
        load_classifier(directory)
    assert "\n" not in str(caught.value)


def test_rejects_what_is_not_there(tmp_path: Path) -> None:
    message = "^model .*/gone does not exist; expected a SavedModel directory, a .keras or"
    with pytest.raises(InputError, match=message):
        load_classifier(tmp_path / "gone")


def test_rejects_other_directories(tmp_path: Path) -> None:
    message = r"is not a SavedModel \(it has no saved_model.pb\); name one, or a .keras file"
    with pytest.raises(InputError, match=message):
        load_classifier(tmp_path)


def test_suggests_the_models_inside_a_directory(tmp_path: Path) -> None:
    _own_export(_model(), tmp_path)
    with pytest.raises(InputError, match=r"is not a SavedModel .*; did you mean .*/small\?"):
        load_classifier(tmp_path)


def test_rejects_other_files(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(InputError, match=r"model.onnx is a file of another kind; expected a Saved"):
        load_classifier(tmp_path / "model.onnx")


def test_rejects_broken_files(tmp_path: Path) -> None:
    (tmp_path / "broken.keras").write_bytes(b"not a zip archive")
    with pytest.raises(InputError, match=r"broken.keras is not a .keras file \(.*\)\.$") as caught:
        load_classifier(tmp_path / "broken.keras")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "saved_model.pb").write_bytes(b"not a protocol buffer")
    with pytest.raises(InputError, match="broken cannot be loaded as a SavedModel") as caught:
        load_classifier(tmp_path / "broken")
    assert "\n" not in str(caught.value)


def test_rejects_a_saved_model_without_signatures(tmp_path: Path) -> None:
    tf.saved_model.save(tf.Module(), tmp_path / "bare")
    with pytest.raises(InputError, match="bare has no signature; expected serving_default"):
        load_classifier(tmp_path / "bare")


class _Subclassed(keras.Model):
    """A model whose input nobody declared."""

    def __init__(self) -> None:
        super().__init__(name="loose")
        self.dense = keras.layers.Dense(2)

    def call(self, images: tf.Tensor) -> tf.Tensor:
        return self.dense(keras.ops.reshape(images, (-1, 24)))


def test_rejects_keras_models_without_declared_input() -> None:
    unbuilt = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)], name="loose")
    called = _Subclassed()
    called(_IMAGES)
    message = "^Keras model loose does not say what images it takes; expected a functional model"
    for model in (unbuilt, called):
        with pytest.raises(InputError, match=message):
            load_classifier(model)
    # What the message advises works.
    images = keras.Input(_SHAPE)
    functional = load_classifier(keras.Model(images, called(images)))
    np.testing.assert_allclose(predict_logits(functional, _IMAGES), called(_IMAGES), atol=1e-6)


def test_rejects_a_keras_model_of_two_inputs() -> None:
    inputs = [keras.Input(_SHAPE), keras.Input(_SHAPE)]
    flat = keras.layers.Flatten()(keras.layers.Add()(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3)(flat), name="pair")
    with pytest.raises(InputError, match=r"^model pair has 2 inputs \(.*\); expected one, a batch"):
        load_classifier(model)


def test_rejects_a_keras_model_that_returns_nan() -> None:
    model = _model()
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel * np.nan, bias])
    with pytest.raises(InputError, match=r"^model small returns NaN; expected finite logits"):
        load_classifier(model)
