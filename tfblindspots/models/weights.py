"""Loads trained weights, of whatever origin, into a model that was built from its definition.

- ``.npz``: an array for each of a layer's variables, ``LAYER/kernel``, ``LAYER/bias``; batch
  normalisation has ``gamma``, ``beta``, ``moving_mean`` and ``moving_variance``. A slash inside a
  layer's name stands for an underscore (``fire2/squeeze1x1``). Nothing in it is ever unpickled.
- ``.h5`` and ``.weights.h5``: what Keras writes, such as the files of keras.applications.

The layouts of an ``.npz`` are ``"keras"`` (kernels [height, width, in, out], dense [in, out]) and
``"channels_first"``, that of Caffe and PyTorch (kernels [out, in, height, width], dense [out, in],
the first dense layer's inputs in the order channel, row, column).
"""

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import h5py
import keras
import numpy as np

from tfblindspots.artifacts import check_archive
from tfblindspots.errors import InputError, first_line
from tfblindspots.models.applications import correct_published_normalization
from tfblindspots.models.colours import PREPROCESSING
from tfblindspots.models.keras_safety import outside_hdf5

LAYOUTS = ("keras", "channels_first")


def load_weights(
    model: keras.Model, path: str | os.PathLike[str], layout: str = LAYOUTS[0]
) -> None:
    """Replaces a model's weights by those of a file.

    The layer ``preprocessing`` belongs to the definition and keeps its own, unless an ``.npz`` has
    it. A model is to be thrown away when this raises: some of its weights may have been replaced.

    Args:
      model: built by a ``ModelDefinition``.
      path: see the top of the module.
      layout: one of ``LAYOUTS``; ``.h5`` files have Keras's.

    Raises:
      InputError: the file is missing, of another kind, broken or pickled; a layer or variable is
        missing or there is one too many; or one has another shape, which is named with both.
    """
    file = Path(path)
    if layout not in LAYOUTS:
        raise InputError(f"weights layout is {layout!r}; expected {' or '.join(LAYOUTS)}.")
    if not file.is_file():
        raise InputError(f"weights {file} do not exist; expected a .npz or .h5 file.")
    if file.suffix == ".npz":
        _assign(model, file, _read_npz(file), layout)
    elif file.suffix == ".h5":
        if layout != LAYOUTS[0]:
            raise InputError(f"weights {file} are Keras's own; leave the layout {layout} out.")
        _load_h5(model, file)
    elif file.suffix == ".npy":
        raise InputError(
            f"weights {file} are a pickle, which runs whatever code is in it when it is read; "
            "where you trust its source convert it to .npz once, as docs/imagenet.md says."
        )
    else:
        raise InputError(
            f"weights {file} are of another kind; expected .npz, .h5 or .weights.h5. A whole model "
            "(.keras, SavedModel) needs no import: every script takes it as it is."
        )


def _load_h5(model: keras.Model, file: Path) -> None:
    """By Keras, which goes by the order of the layers: its networks have no preprocessing layer."""
    inputs = model.inputs[0]
    for layer in model.layers:
        if layer.name == PREPROCESSING:
            inputs = layer.output
    network = keras.Model(inputs, model.outputs[0])
    outside = outside_hdf5(file) if h5py.is_hdf5(file) else None
    if outside:
        raise InputError(
            f"weights {file} have {outside}; expected all numbers in the file itself. Save them "
            "again, whole."
        )
    try:
        _check_layers(network, file)
        network.load_weights(file)
    # Keras and HDF5 raise errors of many types for broken files and for other networks' weights.
    except Exception as error:
        failure = error
    else:
        correct_published_normalization(model)
        return
    try:
        model.load_weights(file)  # as saved from this very definition
    except Exception:
        raise InputError(
            f"weights {file} do not fit model {model.name}: {' '.join(str(failure).split())} "
            "Check --model and --num_classes."
        ) from None


def _check_layers(network: keras.Model, file: Path) -> None:
    """Refuses (ValueError) a ``.weights.h5`` of too many layers: Keras passes over the last."""
    with h5py.File(file) as stored:
        found = [layer for layer in stored.get("layers", {}).values() if len(layer.get("vars", ()))]
    expected = sum(1 for layer in network.layers if layer.weights)
    if len(found) > expected:
        raise ValueError(f"it has weights for {len(found)} layers, the model has {expected}.")


def _read_npz(file: Path) -> dict[str, np.ndarray]:
    try:
        if not zipfile.is_zipfile(file):
            raise ValueError("it is no zip archive")
        with np.load(file, allow_pickle=False) as arrays:
            check_archive(arrays.zip, file)
            found = {name: arrays[name] for name in arrays.files}
    except InputError:
        raise
    # Damage shows in zipfile, zlib, NumPy and Python's own parser, each with errors of its own.
    except Exception as error:
        raise InputError(
            f"weights {file} cannot be read ({first_line(error)}); expected .npz of numbers, "
            "LAYER/kernel and LAYER/bias for each layer."
        ) from None
    for name, array in found.items():
        # What is no array comes as bytes.
        if not isinstance(array, np.ndarray) or not np.issubdtype(array.dtype, np.floating):
            kind = getattr(array, "dtype", "no array")
            raise InputError(
                f"weights {file} hold {kind} for {name}; expected floating-point numbers."
            )
        if not (np.abs(array) <= np.finfo(np.float32).max).all():  # also true of NaN
            raise InputError(
                f"weights {file} hold numbers for {name} that are not finite in float32; expected "
                "trained weights. Get or save them again."
            )
    return found


def _assign(model: keras.Model, file: Path, arrays: Mapping[str, np.ndarray], layout: str) -> None:
    layers = {layer.name: layer for layer in model.layers if layer.weights}
    given: dict[str, dict[str, tuple[str, np.ndarray]]] = {}
    for key, array in arrays.items():
        layer, _, variable = key.rpartition("/")
        variables = given.setdefault(layer.replace("/", "_"), {})
        if variable in variables:
            raise InputError(
                f"weights {file} have {variables[variable][0]} and {key}, which are the same "
                "variable; expected one of them."
            )
        variables[variable] = key, array
    for name in layers:
        if name in given or name == PREPROCESSING:
            continue
        shapes = ", ".join(_shape(weight.name, weight) for weight in layers[name].weights)
        raise InputError(
            f"weights {file} have nothing for layer {name} of {model.name} ({shapes})."
        )
    for name, variables in given.items():
        if name not in layers:
            shapes = ", ".join(_shape(key, array) for key, array in variables.values())
            raise InputError(
                f"weights {file} are of another network: they have a layer {name} ({shapes}), and "
                f"{model.name} has {', '.join(layers)}."
            )
        expected = {weight.name: weight for weight in layers[name].weights}
        if variables.keys() != expected.keys():
            raise InputError(
                f"weights {file} have {', '.join(sorted(variables))} for layer {name} of "
                f"{model.name}; expected {', '.join(sorted(expected))}."
            )
        for variable, (key, array) in variables.items():
            wanted = expected[variable]
            if layout == "channels_first":
                array = _channels_last(layers[name], array)
            if array.shape != tuple(wanted.shape):
                raise InputError(_misfit(model, file, layers[name], key, arrays[key], wanted))
            wanted.assign(array)
        if hasattr(layers[name], "finalize_state"):  # Normalization computes with copies
            layers[name].finalize_state()


def _channels_last(layer: keras.layers.Layer, array: np.ndarray) -> np.ndarray:
    """An array of Caffe or PyTorch in Keras's order."""
    if array.ndim == 4 and isinstance(layer, keras.layers.DepthwiseConv2D):
        # [in * multiplier, 1, height, width], the outputs of one channel beside each other.
        outputs, _, height, width = array.shape
        kernel = array.reshape(-1, layer.depth_multiplier, height, width)
        return kernel.transpose(2, 3, 0, 1) if outputs % layer.depth_multiplier == 0 else array
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)
    if array.ndim == 2:
        shape = _flattened_shape(layer.input)
        if shape and array.shape[1] == np.prod(shape):
            height, width, channels = shape
            array = array.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
        return array.reshape(len(array), -1).T
    return array


def _flattened_shape(tensor: keras.KerasTensor) -> tuple[int, ...] | None:
    """The shape of the map that a vector is the flattened form of; None where it is not one."""
    operation = tensor._keras_history.operation
    while isinstance(operation, keras.layers.Dropout):
        operation = operation.input._keras_history.operation
    if not isinstance(operation, keras.layers.Flatten):
        return None
    shape = tuple(operation.input.shape[1:])
    return shape if len(shape) == 3 else None


def _misfit(
    model: keras.Model,
    file: Path,
    layer: keras.layers.Layer,
    key: str,
    array: np.ndarray,
    wanted: keras.Variable,
) -> str:
    advice = "check --model, --image_size, --num_classes and --weights_layout."
    for layout, turned in (
        ("keras", array),
        ("channels_first", _channels_last(layer, array)),
    ):
        if turned.shape == tuple(wanted.shape):
            advice = f"that fits --weights_layout={layout}."
    return (
        f"weights {file} do not fit layer {layer.name} of model {model.name}: "
        f"{_shape(wanted.name, wanted)} expected, {_shape(key, array)} given; {advice}"
    )


def _shape(name: str, array: np.ndarray | keras.Variable) -> str:
    return f"{name} {list(array.shape)}"
