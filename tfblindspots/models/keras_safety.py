"""Looks for code in Keras files before Keras reads them: a file of a model is a program.

Keras 3's safe mode refuses most of this by itself; Keras 2 runs a Lambda layer of a ``.h5`` file
and imports whatever module a ``.keras`` file names.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import keras

from tfblindspots.errors import InputError

# What holds or loads code, or another file.
_CODE = {
    "Lambda": "a Lambda layer, which is Python code inside the file",
    "__lambda__": "a lambda, which is Python code inside the file",
    "TorchModuleWrapper": "a TorchModuleWrapper, which is a pickle inside the file",
    "JaxLayer": "a JaxLayer, which calls Python functions",
    "FlaxLayer": "a FlaxLayer, which calls Python functions",
    "TFSMLayer": "a TFSMLayer, which loads a SavedModel from elsewhere",
    "TensorFlowOpLayer": "a TensorFlowOpLayer, which is an operation of any kind",
    "ClassMethod": "a ClassMethod layer, which calls a method of any class of TensorFlow",
    "InstanceMethod": "an InstanceMethod layer, which calls a method by its name",
}
# Keras 2's layers for a function of TensorFlow, and functions that only compute.
_OPERATIONS = ("TFOpLambda", "SlicingOpLambda")
_NUMERIC = re.compile(
    r"(__operators__|image|linalg|math|nn|random|signal|sparse)\..*"
    r"|abs|add|argmax|argmin|broadcast_to|cast|clip_by_value|concat|constant|convert_to_tensor|cos"
    r"|cumsum|divide|einsum|equal|expand_dims|eye|exp|fill|floor|gather|gather_nd|greater|identity"
    r"|less|linspace|matmul|maximum|minimum|multiply|negative|norm|one_hot|ones|ones_like|pad|pow"
    r"|range|rank|reduce_\w+|repeat|reshape|reverse|roll|round|shape|sigmoid|sign|sin|size|slice"
    r"|split|sqrt|square|squeeze|stack|stop_gradient|strided_slice|subtract|tanh|tensordot|tile"
    r"|transpose|truediv|unstack|where|zeros|zeros_like"
)
# Parts of Keras whose classes, or functions, do nothing but compute.
_FUNCTIONS = ("activations", "constraints", "initializers", "losses", "metrics", "ops")
_CLASSES = (
    *_FUNCTIONS,
    *("dtype_policies", "engine", "layers", "mixed_precision", "models", "optimizers"),
    *("quantizers", "random", "regularizers"),
)
# What stands for a value, and not for a class.
_VALUES = (
    *("__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"),
    *("__tuple__", "TensorShape"),
)


def check_config(config: str, model: Path, *, legacy: bool) -> None:
    """Refuses a model's configuration that names code.

    Args:
      config: JSON, as Keras files hold it.
      model: where it was read, for messages.
      legacy: Keras 2 may read it.

    Raises:
      InputError: it is not JSON, or one of its objects, however deep, is code, is of a module other
        than Keras without being registered in this process, or reads a file.
    """
    try:
        parsed = json.loads(config)
    except (ValueError, RecursionError):
        raise InputError(
            f"model {model} has a configuration that is not JSON; save it again with "
            "model.save(...)."
        ) from None
    if isinstance(parsed, dict):
        # It is never compiled here.
        parsed.pop("compile_config", None)
    for found in _objects(parsed):
        problem = _problem(found, legacy)
        if problem:
            raise refusal(model, problem)


def outside_hdf5(file: Path | BinaryIO) -> str | None:
    """Names what of an HDF5 file lies in another file, which reading it would read; None if all."""
    with h5py.File(file) as root:
        groups: list[h5py.Group] = [root]
        seen = set()
        while groups:
            group = groups.pop()
            # Hard links can make a circle.
            address = h5py.h5o.get_info(group.id).addr
            if address in seen:
                continue
            seen.add(address)
            for name in group:
                link = group.get(name, getlink=True)
                if isinstance(link, h5py.ExternalLink):
                    return f"{name}, which lies in another file, {link.filename}"
                if isinstance(link, h5py.SoftLink):
                    continue
                entry = group[name]
                if isinstance(entry, h5py.Group):
                    groups.append(entry)
                elif isinstance(entry, h5py.Dataset) and (entry.external or entry.is_virtual):
                    return f"{entry.name}, whose numbers lie in another file"
    return None


def refusal(model: Path, problem: str) -> InputError:
    """The message for a model that is not loaded unless its user says so."""
    return InputError(
        f"model {model} has {problem}; it could do anything on this machine and is not loaded. If "
        "you trust who made it, give --allow_unsafe (in Python allow_unsafe=True)."
    )


def _objects(node: Any) -> Iterator[Mapping[str, Any]]:
    """Every dictionary with a class's name; without recursion, which a deep file would exhaust."""
    nodes = [node]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            if "class_name" in node:
                yield node
            nodes.extend(node.values())
        elif isinstance(node, list):
            nodes.extend(node)


def _problem(found: Mapping[str, Any], legacy: bool) -> str | None:
    """What is wrong with an object, as in "model M has ..."; None where nothing is."""
    name, module = found["class_name"], found.get("module")
    registered, config = found.get("registered_name"), found.get("config")
    if not all(isinstance(text, str | None) for text in (name, module, registered)) or not name:
        return f"an object of the class {name!s:.50}"
    if name in _CODE:
        return _CODE[name]
    # With a module Keras 2 would import it and look for a class of this name, or the other one.
    if name in _VALUES and not module and not registered:
        return None
    if name == "function":
        if isinstance(config, str) and (
            _registered(config, config, module, legacy)
            or (
                (module == "builtins" or _inside(module, _FUNCTIONS))
                and _is_function(config)
                and _harmless_key(registered, (name, config))
            )
        ):
            return None
        return f"the function {module}.{config}, which is none of Keras and not registered"
    if _registered(registered or name, name, module, legacy):
        return None
    # Without a module it is found by its name, among Keras's classes and the registered ones.
    inside = module is None or (_inside(module, _CLASSES) and name.isidentifier())
    # A function would do as a class, and what begins with an underscore is none of Keras's.
    if not inside or not name[0].isupper() or not _harmless_key(registered, (name,)):
        return f"an object of {module}.{name}, which is no class of Keras and not registered"
    if name in _OPERATIONS:
        symbol = str(config.get("function") if isinstance(config, dict) else config)
        return None if _NUMERIC.fullmatch(symbol) else f"a layer that calls tf.{symbol}"
    if isinstance(config, dict) and isinstance(config.get("vocabulary"), str):
        return f"a {name} layer that reads the file {config['vocabulary']}"
    return None


def _registered(key: str, name: str, module: str | None, legacy: bool) -> bool:
    """Whether this process registered an object, which Keras then takes whatever the file says."""
    libraries = [sys.modules[name] for name in ("keras", "tf_keras") if name in sys.modules]
    for library in libraries:
        found = library.saving.get_custom_objects().get(key)
        # What one library knows the other does not, and Keras 2 then imports the module.
        place = (getattr(found, "__module__", None), getattr(found, "__name__", None))
        if found is not None and (not legacy or module is None or place == (module, name)):
            return True
    return False


def _is_function(name: str) -> bool:
    """Whether Keras exports a function of this name that computes."""
    rooms = [getattr(keras, room) for room in _FUNCTIONS]
    return (
        name[:1].islower()
        and name not in ("get", "serialize", "deserialize")
        and any(callable(getattr(room, name, None)) for room in rooms)
    )


def _harmless_key(registered: str | None, names: tuple[str, ...]) -> bool:
    """Whether Keras 2 finds nothing else by the registered name: a module's names have no ``>``."""
    return not registered or registered in names or ">" in registered


def _inside(module: str | None, rooms: tuple[str, ...]) -> bool:
    """Whether a module is Keras itself or in one of these parts of it."""
    package, *parts = (module or "").split(".")
    if package not in ("keras", "tf_keras"):
        return False
    parts = [part for part in parts if part not in ("src", "api", "_legacy", "legacy")]
    return not parts or parts[0] in rooms
