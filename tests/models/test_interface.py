"""What users say of a model does the same as the same thing inside the model."""

import json
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.errors import InputError
from tfblindspots.models import ModelInterface, load_classifier, load_layer, predict_logits

_SHAPE = (5, 4, 3)
_IMAGES = np.random.default_rng(3).random((4, *_SHAPE), np.float32)
_CAFFE = ModelInterface(
    pixel_range=(0, 255), channel_order="bgr", mean=(104, 117, 123), std=(58.0, 57.0, 57.5)
)


def test_settings_of_a_manifest_make_the_interface_again() -> None:
    for interface in (_CAFFE, ModelInterface(), ModelInterface(output_kind="probabilities")):
        settings = json.loads(json.dumps(interface.settings()))
        assert ModelInterface.from_settings(settings) == interface
    settings = {"signature": "serve", "output": "scores", "image_size": [5, 4]}
    expected = ModelInterface(signature="serve", output="scores", image_size=(5, 4))
    assert ModelInterface.from_settings(settings) == expected
    with pytest.raises(InputError, match=r"^the model's settings hold gamma; expected those of th"):
        ModelInterface.from_settings({"gamma": 2.2})


def _network(images: Any, size: tuple[int, ...] = _SHAPE) -> Any:
    """A small convolutional network on what the model expects."""
    convolution = keras.layers.Conv2D(
        4, 3, activation="tanh", kernel_initializer=keras.initializers.RandomNormal(seed=1)
    )
    dense = keras.layers.Dense(3, kernel_initializer=keras.initializers.RandomNormal(seed=2))
    features = convolution(images)
    return dense(keras.layers.GlobalAveragePooling2D(name="mean")(features))


def _bare() -> keras.Model:
    images = keras.Input(_SHAPE)
    return keras.Model(images, _network(images), name="bare")


def _with_preprocessing() -> keras.Model:
    images = keras.Input(_SHAPE)
    scaled = keras.ops.flip(images * 255.0, axis=-1)
    normal = (scaled - np.float32([104, 117, 123])) / np.float32([58, 57, 57.5])
    return keras.Model(images, _network(normal), name="whole")


def test_preprocessing_outside_is_preprocessing_inside() -> None:
    outside = load_classifier(_bare(), interface=_CAFFE)
    inside = load_classifier(_with_preprocessing())
    images = tf.constant(_IMAGES)
    np.testing.assert_allclose(outside.logits(images), inside.logits(images), atol=1e-6)
    gradients = []
    for classifier in (outside, inside):
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.reduce_sum(classifier.logits(images)[:, 0])
        gradients.append(tape.gradient(loss, images))
    assert np.abs(gradients[1]).max() > 1e-3
    np.testing.assert_allclose(gradients[0], gradients[1], atol=1e-6)
    layers = load_layer(_bare(), "mean", _CAFFE), load_layer(_with_preprocessing(), "mean")
    np.testing.assert_allclose(*(layer.activations(_IMAGES) for layer in layers), atol=1e-6)


@pytest.mark.parametrize(
    ("interface", "expected"),
    [
        (ModelInterface(), _IMAGES),
        (ModelInterface(pixel_range=(-1, 1)), _IMAGES * 2 - 1),
        (ModelInterface(mean=(0.5,), std=(0.25,)), (_IMAGES - 0.5) / 0.25),
        (
            ModelInterface(pixel_range=(0, 255), channel_order="bgr", mean=(1, 2, 3)),
            _IMAGES[..., ::-1] * 255 - np.float32([1, 2, 3]),
        ),
        (ModelInterface(data_format="channels_first"), _IMAGES.transpose(0, 3, 1, 2)),
    ],
)
def test_what_the_model_gets(interface: ModelInterface, expected: np.ndarray) -> None:
    np.testing.assert_allclose(interface.preprocess(tf.constant(_IMAGES)), expected, atol=1e-5)


def test_channels_first() -> None:
    images = keras.Input((3, 5, 4))
    model = keras.Model(images, _network(keras.ops.transpose(images, (0, 2, 3, 1))), name="first")
    classifier = load_classifier(model, interface=ModelInterface(data_format="channels_first"))
    assert classifier.image_shape == _SHAPE
    expected = load_classifier(_bare()).logits(tf.constant(_IMAGES))
    np.testing.assert_allclose(predict_logits(classifier, _IMAGES), expected, atol=1e-6)


def test_a_model_of_any_size_takes_that_of_the_images() -> None:
    images = keras.Input((None, None, 3))
    model = keras.Model(images, _network(images), name="any")
    with pytest.raises(InputError, match=r"^model any takes images of any size, \[any, any, any, "):
        load_classifier(model)
    sizes = [(5, 4), (7, 7)]
    five, seven = (load_classifier(model, interface=ModelInterface(image_size=s)) for s in sizes)
    assert five.image_shape == _SHAPE and seven.image_shape == (7, 7, 3)
    np.testing.assert_allclose(
        predict_logits(five, _IMAGES), load_classifier(_bare()).logits(_IMAGES), atol=1e-6
    )
    assert five.fingerprint != seven.fingerprint
    assert five.description["settings"] == {"image_size": (5, 4)}


def test_fingerprints_and_manifests_tell_uses_apart() -> None:
    model = _bare()
    plain = load_classifier(model)
    assert plain.description == {"name": "bare", "fingerprint": plain.fingerprint}
    # What says nothing new changes nothing.
    same = load_classifier(model, interface=ModelInterface(image_size=(5, 4), mean=()))
    assert same.fingerprint == plain.fingerprint
    uses = [
        _CAFFE,
        ModelInterface(pixel_range=(0, 255)),
        ModelInterface(mean=(0.5,)),
        ModelInterface(std=(0.5,)),
        ModelInterface(channel_order="bgr"),
    ]
    prints = [load_classifier(model, interface=interface).fingerprint for interface in uses]
    assert len({plain.fingerprint, *prints}) == 6
    again = load_classifier(_bare(), interface=_CAFFE)
    assert again.fingerprint == prints[0]
    assert again.description["settings"] == {
        "pixel_range": (0, 255),
        "channel_order": "bgr",
        "mean": (104, 117, 123),
        "std": (58.0, 57.0, 57.5),
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"pixel_range": (255, 0)},
            "pixel_range is 255,0; expected what black and white are to th",
        ),
        ({"pixel_range": (0, float("inf"))}, "pixel_range is 0,inf; expected numbers"),
        ({"mean": (float("nan"),)}, "mean is nan; expected numbers"),
        ({"std": (0.0,)}, "std is 0; expected numbers greater than 0"),
        ({"channel_order": "grb"}, "channel_order is 'grb'; expected rgb or bgr"),
        (
            {"data_format": "NCHW"},
            "data_format is 'NCHW'; expected channels_last or channels_first",
        ),
        (
            {"output_kind": "odds"},
            "output_kind is 'odds'; expected auto or logits or probabilities",
        ),
    ],
)
def test_rejects_values(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        ModelInterface(**given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"mean": (1, 2)},
            "mean has 2 values, and model bare takes images of 3 channels; expected",
        ),
        ({"std": (1, 2, 3, 4)}, "std has 4 values, and model bare takes images of 3 channels"),
        (
            {"image_size": (5, 5)},
            "model bare takes images of 5 x 4 pixels, and image_size is 5 x 5; expected the model",
        ),
        ({"signature": "serve"}, "signature 'serve' was asked for, and bare is a Keras model, whi"),
        ({"input": "photo"}, "model bare has no input 'photo'; expected keras_tensor"),
        ({"output": "photo"}, "model bare has no output 'photo'; expected "),
        (
            {"output_kind": "probabilities"},
            "model bare returns -.* to .*, and output_kind is probabilities; expected numbers in",
        ),
    ],
)
def test_rejects_what_does_not_fit_the_model(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=rf"^{message}") as caught:
        load_classifier(_bare(), interface=ModelInterface(**given))
    assert "\n" not in str(caught.value)


def test_bgr_needs_three_channels() -> None:
    images = keras.Input((4, 4, 1))
    model = keras.Model(images, _network(images), name="grey")
    with pytest.raises(InputError, match=r"^channel_order is bgr, and model grey takes images of"):
        load_classifier(model, interface=ModelInterface(channel_order="bgr"))
