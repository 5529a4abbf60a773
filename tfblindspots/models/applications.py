"""The networks of ``keras.applications`` by name, from RGB images in [0, 1] to logits."""

import functools
import inspect
import sys
from collections.abc import Callable

import keras
import numpy as np

from tfblindspots.errors import InputError, first_line
from tfblindspots.models.colours import check_image_shape, transform_colours
from tfblindspots.models.definition import ImageShape, ModelDefinition, initializer_seed

_SMALLEST = 32  # of most of them; each has its own
_SIZE = 224
# Sizes that Keras's own weights are for, where they are others.
_SIZES = {
    "EfficientNetB1": 240,
    "EfficientNetB2": 260,
    "EfficientNetB3": 300,
    "EfficientNetB4": 380,
    "EfficientNetB5": 456,
    "EfficientNetB6": 528,
    "EfficientNetB7": 600,
    "EfficientNetV2B1": 240,
    "EfficientNetV2B2": 260,
    "EfficientNetV2B3": 300,
    "EfficientNetV2L": 480,
    "EfficientNetV2M": 480,
    "EfficientNetV2S": 384,
    "InceptionResNetV2": 299,
    "InceptionV3": 299,
    "NASNetLarge": 331,
    "Xception": 299,
}
# Where layers keep what is drawn at random, and how.
_KERNELS = (
    ("kernel", "kernel_initializer"),
    ("kernel", "depthwise_initializer"),
    ("depthwise_kernel", "depthwise_initializer"),
    ("pointwise_kernel", "pointwise_initializer"),
)


def networks() -> dict[str, Callable[..., keras.Model]]:
    """What builds each network of ``keras.applications``, by its name there."""
    return {
        name: value for name, value in vars(keras.applications).items() if inspect.isfunction(value)
    }


def parse(name: str) -> ModelDefinition | None:
    """The definition of ``name``, such as ``MobileNetV2``, in capital or small letters, if any."""
    known = {network.lower(): network for network in networks()}
    title = known.get(name.lower())
    if title is None:
        return None
    size = _SIZES.get(title, _SIZE)
    return ModelDefinition(
        name=title,
        title=title,
        build=functools.partial(_build, title),
        weight_decays={},
        trainer="fit",
        image_shape=(size, size, 3),
    )


def colour_transformation(network: Callable[..., keras.Model]) -> tuple[np.ndarray, np.ndarray]:
    """What the network's own ``preprocess_input`` does to a pixel, measured.

    Args:
      network: a function of ``keras.applications``.

    Returns:
      ``matrix`` [3, 3] and ``offset`` [3], float64: ``preprocess_input(255 * x)`` is
      ``x @ matrix + offset`` for RGB pixels x in [0, 1].
    """
    preprocess = sys.modules[network.__module__].preprocess_input
    # An affine function is known by what it does to black, red, green and blue.
    corners = 255.0 * np.concatenate([np.zeros((1, 3)), np.eye(3)])
    black, *pure = preprocess(corners.reshape(1, 1, 4, 3), data_format="channels_last")[0, 0]
    return np.stack(pure) - black, black


def _build(name: str, image_shape: ImageShape, num_classes: int, seed: int) -> keras.Model:
    check_image_shape(name, image_shape, _SMALLEST)
    network = networks()[name]
    images = keras.Input(image_shape, name="images")
    try:
        inner = network(
            weights=None,
            input_tensor=transform_colours(images, *colour_transformation(network)),
            input_shape=image_shape,
            classes=num_classes,
            classifier_activation=None,
        )
    except ValueError as error:  # most of all: images that are too small
        raise InputError(
            f"model {name} cannot be built for images of shape {list(image_shape)} "
            f"({first_line(error)}); use images of {_SIZES.get(name, _SIZE)} pixels."
        ) from None
    for layer in inner.layers:
        if layer.name == "logits":  # MobileNetV3's last convolution
            layer.name = "logits_convolution"
    # Under the name that all definitions have; without weights, so that Keras's files fit.
    logits = keras.layers.Activation("linear", name="logits")(inner.outputs[0])
    model = keras.Model(images, logits, name=name)
    _seed(model, seed)
    return model


def _seed(model: keras.Model, seed: int) -> None:
    """Draws the weights and seeds dropout again, keyed by the seed and the layer's number."""
    for number, layer in enumerate(model.layers):
        for kernel, initializer in _KERNELS:
            variable = getattr(layer, kernel, None)
            drawn = getattr(layer, initializer, None)
            if variable is None or drawn is None or not layer.trainable:
                continue
            key = initializer_seed(seed, number)
            again = type(drawn).from_config({**drawn.get_config(), "seed": key})
            variable.assign(again(variable.shape))
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            generator.state.assign([initializer_seed(seed, number), 0])


def correct_published_normalization(model: keras.Model) -> None:
    """Makes EfficientNet B0 to B7 with Keras's published weights normalise colours as it should.

    Those files have the standard deviations of the colours where Keras expects their squares, and
    Keras mends that by one more layer, only where it downloads the file itself. Here the squares
    are put in. Other models, and weights of other origin, are left alone.
    """
    matrix, _ = colour_transformation(keras.applications.DenseNet121)  # divides by deviations
    deviations = 1 / np.diag(matrix)
    for layer in model.layers:
        variance = getattr(layer, "adapt_variance", None)
        if variance is not None and np.allclose(variance, deviations, atol=1e-6):
            variance.assign(np.reshape(deviations**2, variance.shape))
            layer.finalize_state()
