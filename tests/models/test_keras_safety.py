"""Keras files that would do something, and those that must pass."""

import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tf_keras

from tfblindspots.errors import InputError
from tfblindspots.models import (
    GroupedConv2D,
    LocalResponseNormalization,
    get_definition,
    load_classifier,
    load_keras_model,
    load_weights,
)
from tfblindspots.models.opening import open_model

_REFUSED = (
    r"; it could do anything on this machine and is not loaded\. If you trust who made it, give "
    r"--allow_unsafe \(in Python allow_unsafe=True\)\.$"
)


def _nested(library: Any, marker: Path) -> Any:
    """A Lambda layer, which leaves a marker when it is run, inside a wrapper inside a submodel."""
    layers = library.layers
    code = layers.Lambda(
        lambda x, name: (open(name, "w").close(), x)[1],  # noqa: PTH123, marshalled without imports
        arguments={"name": str(marker)},
    )
    inner_images = library.Input((3, 2))
    inner = library.Model(inner_images, layers.TimeDistributed(code)(inner_images))
    images = library.Input((3, 2, 1))
    values = layers.Flatten()(inner(layers.Reshape((3, 2))(images)))
    return library.Model(images, layers.Dense(2)(values))


@pytest.mark.parametrize("library", [keras, tf_keras])
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5:UserWarning")
def test_nested_code_is_refused(library: Any, suffix: str, tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / f"evil{suffix}"
    model = _nested(library, marker)
    model.save(path)
    marker.unlink()
    message = rf"^model .*/evil\{suffix} has a Lambda layer, which is Python code inside"
    with pytest.raises(InputError, match=f"{message}.*{_REFUSED}"):
        load_classifier(path)
    assert not marker.exists()
    classifier = load_classifier(path, allow_unsafe=True)
    assert classifier.num_classes == 2
    assert marker.exists()


def _dense(library: Any = keras) -> Any:
    return library.Sequential(
        [library.layers.Input((2, 2, 1)), library.layers.Flatten(), library.layers.Dense(3)]
    )


def _edited(path: Path, edit: Callable[[str], str]) -> Path:
    """A ``.keras`` file with another configuration."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = edit(members["config.json"].decode()).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def _as_keras_2(path: Path) -> None:
    """Says that Keras 2 wrote it, which would be asked second, and imports any module."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["metadata.json"] = b'{"keras_version": "2.15.0"}'
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_escapes_and_spaces_hide_nothing(tmp_path: Path) -> None:
    model = _nested(keras, tmp_path / "marker")
    model.save(tmp_path / "evil.keras")
    (tmp_path / "marker").unlink()
    path = _edited(
        tmp_path / "evil.keras",
        lambda text: text.replace('"class_name": "Lambda"', '"class_name"\n:\t"Lam\\u0062da"'),
    )
    assert "Lambda" not in zipfile.ZipFile(path).read("config.json").decode()
    with pytest.raises(InputError, match="has a Lambda layer"):
        load_keras_model(path)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    ("activation", "message"),
    [
        (
            {"module": "os", "class_name": "function", "config": "system"},
            r"the function os\.system, which is none of Keras and not registered",
        ),
        (
            {"module": "keras.utils", "class_name": "function", "config": "get_file"},
            r"the function keras\.utils\.get_file, which is none of Keras",
        ),
        (
            # The name of a class that is registered does not cover a function.
            {
                "module": "os",
                "class_name": "function",
                "config": "system",
                "registered_name": "tfblindspots>GroupedConv2D",
            },
            r"the function os\.system, which is none",
        ),
        (
            {"module": "builtins", "class_name": "function", "config": "exec"},
            r"the function builtins\.exec, which is none of Keras",
        ),
        (
            {"module": "keras.activations", "class_name": "function", "config": "deserialize"},
            r"the function keras\.activations\.deserialize, which is none of Keras",
        ),
        (
            {
                "module": "builtins",
                "class_name": "function",
                "config": "relu6",
                "registered_name": "exec",
            },
            r"the function builtins\.relu6, which is none of Keras",
        ),
        (
            {
                "module": "keras.layers",
                "class_name": "Unheard",
                "config": {},
                "registered_name": "serialization",
            },
            r"an object of keras\.layers\.Unheard, which is no class of Keras",
        ),
        (
            {"module": "keras.layers", "class_name": "__builtins__", "config": {}},
            r"an object of keras\.layers\.__builtins__, which is no class of Keras",
        ),
        (
            {"class_name": "__tuple__", "config": {}, "registered_name": "exec"},
            r"an object of None\.__tuple__, which is no class of Keras",
        ),
        (
            {"module": "subprocess", "class_name": "Popen", "config": {"args": "true"}},
            r"an object of subprocess\.Popen, which is no class of Keras and not registered",
        ),
        (
            {"module": "keras.src.utils.module_utils", "class_name": "LazyModule", "config": {}},
            r"an object of keras\.src\.utils\.module_utils\.LazyModule, which is no class",
        ),
        (
            {"class_name": "__lambda__", "config": {"value": ["4wA=", None, None]}},
            "a lambda, which is Python code inside the file",
        ),
        (
            {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "x"}},
            "a TFSMLayer, which loads a SavedModel from elsewhere",
        ),
        (
            {
                "module": "keras.layers",
                "class_name": "StringLookup",
                "config": {"vocabulary": "/etc/passwd"},
            },
            "a StringLookup layer that reads the file /etc/passwd",
        ),
        (
            {"class_name": "TFOpLambda", "config": {"function": "io.write_file"}},
            r"a layer that calls tf\.io\.write_file",
        ),
        ({"class_name": ["Lambda"], "config": {}}, r"an object of the class \['Lambda'\]"),
    ],
)
@pytest.mark.parametrize("legacy", [False, True])
def test_what_a_configuration_may_name(
    activation: dict[str, Any], message: str, legacy: bool, tmp_path: Path
) -> None:
    path = tmp_path / "evil.keras"
    _dense().save(path)

    def edit(text: str) -> str:
        config = json.loads(text)
        config["config"]["layers"][-1]["config"]["activation"] = activation
        return json.dumps(config)

    _edited(path, edit)
    if legacy:
        _as_keras_2(path)
    with pytest.raises(InputError, match=rf"^model .*/evil\.keras has {message}.*{_REFUSED}"):
        open_model(path)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("TensorShape", {}),
        ("__tuple__", {}),
        ("__slice__", {}),
        ("__ellipsis__", {}),
        ("__keras_tensor__", {}),
        ("TFOpLambda", {"function": "abs"}),
        ("Dense", {"units": 3}),
    ],
)
def test_no_module_is_imported_that_a_file_names(
    name: str, config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "evil_layers", raising=False)
    marker, path = tmp_path / "marker", tmp_path / "evil.keras"
    (tmp_path / "evil_layers.py").write_text(f"open({str(marker)!r}, 'w').close()")
    _dense().save(path)
    evil = {"module": "evil_layers", "class_name": name, "config": config}
    _edited(path, lambda text: json.dumps(evil))
    _as_keras_2(path)
    message = rf"an object of evil_layers\.{name}, which is no class of Keras and not registered"
    with pytest.raises(InputError, match=f"{message}{_REFUSED}"):
        open_model(path)
    assert not marker.exists()
    with pytest.raises(InputError, match=r"evil\.keras cannot be read by Keras"):
        open_model(path, allow_unsafe=True)  # It is no empty threat.
    assert marker.exists()


def test_operations_of_keras_2_that_compute_pass(tmp_path: Path) -> None:
    images = tf_keras.Input((2, 2, 1))
    values = tf_keras.layers.Flatten()(images / 255.0 - 0.5)
    model = tf_keras.Model(images, values[:, :3])
    with pytest.warns(UserWarning, match="HDF5 file via `model.save"):
        model.save(tmp_path / "operations.h5")
    assert load_classifier(tmp_path / "operations.h5").num_classes == 3


def test_own_and_registered_layers_pass(tmp_path: Path) -> None:
    images = keras.Input((4, 4, 2))
    network = keras.Model(
        images, LocalResponseNormalization()(GroupedConv2D(2, 3, groups=2)(images))
    )
    network.save(tmp_path / "own.keras")
    assert open_model(tmp_path / "own.keras").count_params() == network.count_params()


def test_numbers_in_other_files_are_not_read(tmp_path: Path) -> None:
    """HDF5 lets a data set lie in any file of the machine."""
    (tmp_path / "secret").write_bytes(bytes(48))
    _dense().save(tmp_path / "whole.h5")
    with h5py.File(tmp_path / "whole.h5", "a") as file:
        name = next(
            name for name in _datasets(file) if name.endswith("kernel") or name.endswith("kernel:0")
        )
        del file[name]
        file.create_dataset(name, (4, 3), "float32", external=[(str(tmp_path / "secret"), 0, 48)])
    with pytest.raises(InputError, match=r"whole\.h5 has .*, whose numbers lie in another file;"):
        load_classifier(tmp_path / "whole.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["linked"] = h5py.ExternalLink("secret.h5", "/numbers")
    network = get_definition("fc10-1").build((2, 2, 1), 10, 0)
    message = r"^weights .*/other\.h5 have linked, which lies in another file, secret\.h5; expected"
    with pytest.raises(InputError, match=message):
        load_weights(network, tmp_path / "other.h5")


def _datasets(file: h5py.File) -> list[str]:
    names: list[str] = []
    file.visititems(lambda name, entry: names.append(name) if hasattr(entry, "shape") else None)
    return names


def test_archives_do_not_leave_their_folder(tmp_path: Path) -> None:
    path = tmp_path / "evil.keras"
    _dense().save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../escaped", "out")
    with pytest.raises(InputError, match=r"evil\.keras has a member '\.\./escaped', which leads"):
        open_model(path)
    assert not (tmp_path.parent / "escaped").exists()


def test_a_deep_configuration_is_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "deep.keras"
    _dense().save(path)
    _edited(path, lambda text: "[" * 100_000 + "]" * 100_000)
    with pytest.raises(InputError, match=r"deep\.keras has a configuration that is not JSON; save"):
        open_model(path)


def test_random_bytes_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "noise.keras"
    path.write_bytes(np.random.default_rng(0).bytes(1000))
    with pytest.raises(InputError, match=r"noise\.keras is not a \.keras file"):
        open_model(path)
