"""Reads model files: SavedModel directories, and files of Keras 3 and of Keras 2 (tf.keras)."""

import importlib
import io
import json
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, NamedTuple

import h5py
import keras
import tensorflow as tf

from tfblindspots.artifacts import check_archive
from tfblindspots.errors import InputError, first_line
from tfblindspots.models.graph_safety import check_saved_model
from tfblindspots.models.keras_safety import check_config, outside_hdf5, refusal

_HDF5 = (".h5", ".hdf5")
KERAS_SUFFIXES = (".keras", *_HDF5)
_EXPECTED = "a SavedModel directory, a .keras or a .h5 file"


def keras_library(model: Any) -> ModuleType | None:
    """The library whose model this is: ``keras``, its predecessor ``tf_keras``, or None."""
    if isinstance(model, keras.Model):
        return keras
    # Who has such a model has imported it; it takes seconds.
    legacy = sys.modules.get("tf_keras")
    return legacy if legacy is not None and isinstance(model, legacy.Model) else None


def open_model(path: Path, *, allow_unsafe: bool = False) -> Any:
    """Reads a SavedModel directory, a ``.keras`` or a ``.h5`` file, whatever it holds.

    Args:
      path: of the model.
      allow_unsafe: also read models that hold code, or operations that reach files, the network or
        Python: such a model may do whatever its user may do.

    Returns:
      What ``tf.saved_model.load`` gives for a directory. For a file a ``keras.Model``, or a
      ``tf_keras.Model`` where Keras 2 wrote the file and Keras 3 cannot read it.

    Raises:
      InputError: there is no such file, or it is no model, or it is unsafe.
    """
    if not path.exists():
        raise InputError(f"model {path} does not exist; expected {_EXPECTED}.")
    if path.is_dir():
        return _open_saved_model(path, allow_unsafe=allow_unsafe)
    if path.suffix not in KERAS_SUFFIXES:
        raise InputError(f"model {path} is a file of another kind; expected {_EXPECTED}.")
    legacy = _written_by_keras_2(path, allow_unsafe=allow_unsafe)
    options = {"compile": False, "safe_mode": not allow_unsafe}
    try:
        return keras.models.load_model(path, **options)
    # Keras raises errors of many types for broken files and for layers that it does not know.
    except Exception as error:
        failure = error
    if legacy:
        try:
            return importlib.import_module("tf_keras").models.load_model(path, **options)
        except Exception as error:
            failure = error
    # Keras 3 cannot read all that it writes in the older format: attention, functions of keras.ops.
    hint = "; save it again as a .keras file." if path.suffix in _HDF5 and not legacy else "."
    raise InputError(f"model {path} cannot be read by Keras ({first_line(failure)}){hint}")


def _written_by_keras_2(path: Path, *, allow_unsafe: bool) -> bool:
    """Looks into a file before Keras does.

    Raises:
      InputError: it is no file of Keras, holds weights only, or is unsafe.
    """
    version, config, weights = (_hdf5 if path.suffix in _HDF5 else _archive)(path)
    legacy = version.startswith("2")
    if not allow_unsafe:
        check_config(config, path, legacy=legacy)
        problem = outside_hdf5(weights)
        if problem:
            raise refusal(path, problem)
    return legacy


class _Contents(NamedTuple):
    version: str  # of Keras; empty in files of Keras 1
    config: str  # JSON
    weights: Path | BinaryIO  # HDF5


def _archive(path: Path) -> _Contents:
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"model {path} is not a .keras file (it is no zip archive); save it again with "
            "model.save(...)."
        )
    with zipfile.ZipFile(path) as archive:
        check_archive(archive, path)
        try:
            metadata = json.loads(archive.read("metadata.json"))
            return _Contents(
                str(metadata["keras_version"]),
                archive.read("config.json").decode(),
                io.BytesIO(archive.read("model.weights.h5")),
            )
        except (KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise InputError(
                f"model {path} is not a .keras file ({first_line(error)}); save it again with "
                "model.save(...)."
            ) from None


def _hdf5(path: Path) -> _Contents:
    if not h5py.is_hdf5(path):
        raise InputError(
            f"model {path} is not a .h5 file (it is no HDF5); save it again with model.save(...)."
        )
    with h5py.File(path) as file:
        config = file.attrs.get("model_config")
        if config is None:
            raise InputError(
                f"model {path} holds weights without a model; build the model in Python, load them "
                "with model.load_weights(...), and save it whole with model.save(...)."
            )
        texts = (file.attrs.get("keras_version", ""), config)
        version, config = (t.decode() if isinstance(t, bytes) else str(t) for t in texts)
        return _Contents(version, config, path)


def _open_saved_model(path: Path, *, allow_unsafe: bool) -> Any:
    if not tf.saved_model.contains_saved_model(path):
        found = sorted(str(entry.parent) for entry in path.glob("*/saved_model.pb"))
        advice = f"did you mean {', '.join(found[:3])}?" if found else "name one, or a .keras file."
        raise InputError(f"model {path} is not a SavedModel (it has no saved_model.pb); {advice}")
    try:
        if not allow_unsafe:
            check_saved_model(path)
        return tf.saved_model.load(path)
    except InputError:
        raise
    # Broken files end in errors of many types, deep in TensorFlow.
    except Exception as error:
        raise InputError(
            f"model {path} cannot be loaded as a SavedModel ({first_line(error)})."
        ) from None
