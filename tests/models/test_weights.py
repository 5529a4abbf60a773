"""Weights from files of each layout: against NumPy channels first, against Keras's own loading."""

import pickle
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.models import numpy_layers as layers
from tfblindspots.errors import InputError
from tfblindspots.models import get_definition, load_weights
from tfblindspots.models.applications import correct_published_normalization, networks

Arrays = dict[str, np.ndarray]


def _images(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(size).random((count, size, size, 3), np.float32)


def _build(name: str, seed: int = 0, size: int = 67, classes: int = 5) -> keras.Model:
    return get_definition(name).build((size, size, 3), classes, seed)


@pytest.fixture(scope="module")
def squeezenet_weights() -> Arrays:
    """Weights as SqueezeNet's file has them."""
    return {
        f"{layer.name.replace('_', '/')}/{weight.name}": weight.numpy()
        for layer in _build("squeezenet", seed=1).layers
        for weight in layer.weights
        if layer.name != "preprocessing"
    }


def test_squeezenets_file(tmp_path: Path, squeezenet_weights: Arrays) -> None:
    assert "fire2/squeeze1x1/kernel" in squeezenet_weights
    np.savez(tmp_path / "weights.npz", **squeezenet_weights)
    model = _build("squeezenet", seed=0)
    load_weights(model, tmp_path / "weights.npz")
    for weight, expected in zip(model.weights, _build("squeezenet", seed=1).weights, strict=True):
        np.testing.assert_array_equal(weight, expected)


def _caffe_alexnet() -> Arrays:
    """Random weights with the shapes of Caffe's blobs, for images of 99 pixels and 5 classes."""
    generator = np.random.default_rng(0)
    shapes = {
        "conv1": (96, 3, 11, 11),
        "conv2": (256, 48, 5, 5),
        "conv3": (384, 256, 3, 3),
        "conv4": (384, 192, 3, 3),
        "conv5": (256, 192, 3, 3),
        "fc6": (4096, 256 * 2 * 2),
        "fc7": (4096, 4096),
        "fc8": (5, 4096),
    }
    arrays = {}
    for name, shape in shapes.items():
        scale = np.float32(1 / np.sqrt(np.prod(shape[1:])))
        arrays[f"{name}/kernel"] = scale * generator.standard_normal(shape, np.float32)
        arrays[f"{name}/bias"] = generator.normal(size=shape[0]).astype(np.float32)
    return arrays


def _caffe_forward(x: np.ndarray, arrays: Arrays) -> np.ndarray:
    def weights(name: str) -> tuple[np.ndarray, np.ndarray]:
        return arrays[f"{name}/kernel"], arrays[f"{name}/bias"]

    x = layers.relu(layers.convolve(x, *weights("conv1"), stride=4))
    x = layers.max_pool(layers.normalize_response(x, 1, 2e-5))
    x = layers.relu(layers.convolve(x, *weights("conv2"), pad=2, groups=2))
    x = layers.max_pool(layers.normalize_response(x, 1, 2e-5))
    for name, groups in (("conv3", 1), ("conv4", 2), ("conv5", 2)):
        x = layers.relu(layers.convolve(x, *weights(name), pad=1, groups=groups))
    x = layers.max_pool(x).reshape(len(x), -1)  # channel, row, column
    for name in ("fc6", "fc7", "fc8"):
        kernel, bias = weights(name)
        x = x @ kernel.T + bias
        x = layers.relu(x) if name != "fc8" else x
    return x


def test_channels_first_is_what_caffe_computes(tmp_path: Path) -> None:
    arrays = _caffe_alexnet()
    np.savez(tmp_path / "weights.npz", **arrays)
    model = _build("alexnet-caffe", size=99)
    load_weights(model, tmp_path / "weights.npz", "channels_first")
    images = _images(2, 99)
    blobs = (255.0 * images[..., ::-1] - (104, 117, 123)).transpose(0, 3, 1, 2)
    expected = _caffe_forward(blobs, arrays)
    np.testing.assert_allclose(
        model(images), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max()
    )


def test_channels_first_depthwise(tmp_path: Path) -> None:
    images = keras.Input((6, 6, 3))
    layer = keras.layers.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise")
    model = keras.Model(images, layer(images))
    generator = np.random.default_rng(0)
    kernel = generator.standard_normal((6, 1, 3, 3), np.float32)
    bias = generator.standard_normal(6, np.float32)
    np.savez(tmp_path / "w.npz", **{"depthwise/kernel": kernel, "depthwise/bias": bias})
    load_weights(model, tmp_path / "w.npz", "channels_first")
    x = _images(2, 6)
    expected = layers.convolve(x.transpose(0, 3, 1, 2), kernel, bias, groups=3)
    np.testing.assert_allclose(model(x), expected.transpose(0, 2, 3, 1), rtol=1e-4, atol=1e-5)


# Branches, so that the order of the layers matters, and each of Keras's two formats.
@pytest.mark.parametrize("name", ["MobileNetV3Small", "MobileNetV2"])
@pytest.mark.parametrize("file", ["new.weights.h5", "legacy.h5"])
def test_kerass_own_files(name: str, file: str, tmp_path: Path) -> None:
    plain = networks()[name](
        weights=None, input_shape=(32, 32, 3), classes=4, classifier_activation=None
    )
    generator = np.random.default_rng(0)
    plain.set_weights(
        [
            weight + 0.1 * generator.random(weight.shape, np.float32)
            for weight in plain.get_weights()
        ]
    )
    if file == "legacy.h5":
        plain.save(tmp_path / file)  # a whole model, of which the weights are a part
    else:
        plain.save_weights(tmp_path / file)
    model = _build(name, size=32, classes=4)
    load_weights(model, tmp_path / file)
    images = _images(3, 32)
    module = getattr(keras.applications, networks()[name].__module__.rpartition(".")[2])
    expected = plain(module.preprocess_input(255 * images), training=False)
    np.testing.assert_allclose(model(images, training=False), expected, rtol=1e-3, atol=1e-4)


def test_published_efficientnets_divide_by_deviations() -> None:
    images = keras.Input((2, 2, 3))
    layer = keras.layers.Normalization(name="normalization")
    model = keras.Model(images, layer(keras.layers.Rescaling(1 / 255)(images)))
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    layer.set_weights([mean, deviation, np.zeros((), np.int32)])
    layer.finalize_state()
    photos = _images(2, 2)
    correct_published_normalization(model)
    np.testing.assert_allclose(model(255 * photos), (photos - mean) / deviation, atol=1e-5)
    correct_published_normalization(model)  # nothing is left to correct
    np.testing.assert_allclose(model(255 * photos), (photos - mean) / deviation, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"conv10/bias": np.full(5, np.nan, np.float32)},
            r"hold numbers for conv10/bias that are not finite in float32; expected",
        ),
        (
            {"fire2_squeeze1x1/kernel": np.zeros((1, 1, 96, 16), np.float32)},
            r"have fire2/squeeze1x1/kernel and fire2_squeeze1x1/kernel, which are the same",
        ),
        (
            {"conv1/kernel": None, "conv1/bias": None},
            r"have nothing for layer conv1 of squeezenet \(kernel \[7, 7, 3, 96\], bias \[96\]\)\.",
        ),
        (
            {"conv1/bias": None},
            "have kernel for layer conv1 of squeezenet; expected bias, kernel.",
        ),
        (
            {"conv11/kernel": np.zeros((2, 3), np.float32)},
            r"are of another network: they have a layer conv11 \(conv11/kernel \[2, 3\]\), and "
            "squeezenet has preprocessing, conv1, fire2_squeeze1x1, ",
        ),
        (
            {"conv1/bias": np.zeros(95, np.float32)},
            r"do not fit layer conv1 of model squeezenet: bias \[96\] expected, conv1/bias \[95\] "
            "given; check --model, ",
        ),
        (
            {"conv1/kernel": np.zeros((96, 3, 7, 7), np.float32)},
            r"do not fit layer conv1 of model squeezenet: kernel \[7, 7, 3, 96\] expected, "
            r"conv1/kernel \[96, 3, 7, 7\] given; that fits --weights_layout=channels_first\.",
        ),
        (
            {"conv1/bias": np.zeros(96, np.int8)},
            "hold int8 for conv1/bias; expected floating-point numbers.",
        ),
        (
            {"conv1/bias": np.array([None])},
            r"cannot be read \(Object arrays cannot be loaded when allow_pickle=False\); expected "
            r"\.npz of numbers,",
        ),
    ],
)
def test_rejects_weights_of_another_network(
    change: dict[str, np.ndarray | None],
    message: str,
    tmp_path: Path,
    squeezenet_weights: Arrays,
) -> None:
    arrays = {name: x for name, x in {**squeezenet_weights, **change}.items() if x is not None}
    np.savez(tmp_path / "weights.npz", **arrays)
    with pytest.raises(InputError, match=rf"^weights .*/weights\.npz {message}") as caught:
        load_weights(_build("squeezenet"), tmp_path / "weights.npz")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "classes", "message"),
    [
        (
            "MobileNetV3Small",
            5,
            r"Shape mismatch in layer #\d+ \(named logits_convolution\)for weight \S+\. "
            r"Weight expects shape \(1, 1, 1024, 5\)\. "
            r"Received saved weight with shape \(1, 1, 1024, 4\) Check",
        ),
        ("MobileNetV2", 4, r"Model expected 105 layers, found 88 saved layers\."),
    ],
)
def test_rejects_kerass_files_of_another_network(
    name: str, classes: int, message: str, tmp_path: Path
) -> None:
    plain = networks()["MobileNetV3Small"](weights=None, input_shape=(32, 32, 3), classes=4)
    plain.save(tmp_path / "plain.h5")
    with pytest.raises(InputError, match=f"do not fit model {name}: .*{message}") as caught:
        load_weights(_build(name, size=32, classes=classes), tmp_path / "plain.h5")
    assert "\n" not in str(caught.value)


def test_rejects_a_layer_that_is_one_too_many(tmp_path: Path) -> None:
    build = networks()["MobileNet"]
    plain = build(weights=None, input_shape=(32, 32, 3), classes=4, classifier_activation=None)
    more = keras.Model(plain.inputs[0], keras.layers.Dense(2)(plain.outputs[0]))
    more.save_weights(tmp_path / "more.weights.h5")
    message = r"it has weights for (\d+) layers, the model has (\d+)\."
    with pytest.raises(InputError, match=message):
        load_weights(_build("MobileNet", size=32, classes=4), tmp_path / "more.weights.h5")


@pytest.mark.parametrize("file", ["own.weights.h5", "own.h5"])
def test_what_keras_saves_of_a_definition_fits_it(file: str, tmp_path: Path) -> None:
    saved = _build("MobileNet", seed=1, size=32)
    (saved.save_weights if file.endswith("weights.h5") else saved.save)(tmp_path / file)
    model = _build("MobileNet", seed=0, size=32)
    load_weights(model, tmp_path / file)
    for weight, expected in zip(model.get_weights(), saved.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_rejects_damaged_archives(tmp_path: Path, squeezenet_weights: Arrays) -> None:
    path = tmp_path / "weights.npz"
    np.savez_compressed(path, **squeezenet_weights)
    whole = path.read_bytes()
    for offset in (60, 90, 200, 5000, 100_000):
        path.write_bytes(whole[:offset] + bytes(12) + whole[offset + 12 :])
        with pytest.raises(InputError, match=r"^weights .*weights\.npz (cannot be read|hold)"):
            load_weights(_build("squeezenet"), path)
    np.savez(path, **squeezenet_weights)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("README.txt", "no array")
    with pytest.raises(InputError, match=r"hold no array for README\.txt; expected floating"):
        load_weights(_build("squeezenet"), path)


class _Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self._path,)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("weights.npy", "are a pickle, which runs whatever code is in it when it is read; where"),
        ("weights.npz", r"cannot be read \(it is no zip archive\); expected .npz of numbers,"),
        ("weights.h5", "do not fit model squeezenet: .* Check --model and --num_classes."),
        ("weights.pth", r"are of another kind; expected \.npz, \.h5 or \.weights\.h5\. A whole"),
    ],
)
def test_pickles_are_never_run(file: str, message: str, tmp_path: Path) -> None:
    (tmp_path / file).write_bytes(pickle.dumps(_Trap(tmp_path / "sprung")))
    with pytest.raises(InputError, match=f"^weights .*/{file} {message}"):
        load_weights(_build("squeezenet"), tmp_path / file)
    assert [entry.name for entry in tmp_path.iterdir()] == [file]


def test_rejects_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.npz do not exist; expected a \.npz or \.h5 file"):
        load_weights(_build("squeezenet"), tmp_path / "none.npz")
    with pytest.raises(
        InputError, match=r"^weights layout is 'torch'; expected keras or channels_"
    ):
        load_weights(_build("squeezenet"), tmp_path / "none.npz", "torch")
