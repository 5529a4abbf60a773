"""Looks for other packages' code in what a directory of TensorFlow Datasets says of its features.

TFDS imports the module of every class that ``features.json`` names.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from google.protobuf import json_format
from tensorflow_datasets.core.proto import feature_pb2

from tfblindspots.artifacts import read_json
from tfblindspots.errors import InputError

_CLASSES = frozenset(
    f"{feature.__module__}.{feature.__name__}"
    for feature in vars(tfds.features).values()
    if isinstance(feature, type) and issubclass(feature, tfds.features.FeatureConnector)
)


def check_feature_classes(directory: Path) -> None:
    """Refuses features whose classes are none of TFDS's own; call it before TFDS reads a directory.

    Args:
      directory: the one with ``dataset_info.json``; without a ``features.json`` nothing is checked,
        since TFDS then reads nothing.

    Raises:
      InputError: a feature, however deep, has another class, takes its names from another file, or
        the file cannot be parsed.
    """
    file = directory / "features.json"
    if not file.is_file():
        return
    try:
        for node in _nodes(read_json(file)):
            # TFDS took "type" before it took the fields of a Feature, and still takes both.
            for name in (node.get("type"), _feature_class(node)):
                if isinstance(name, str) and name not in _CLASSES:
                    raise InputError(
                        f"dataset directory {directory} has a feature of the class {name}, whose "
                        "code would be run; expected features of TensorFlow Datasets alone. Save "
                        "the images as a folder or as a .npz file."
                    )
            if any(isinstance(node.get(key), str) for key in ("names_file", "labels")):
                raise InputError(
                    f"dataset directory {directory} has a feature that reads another file; "
                    "expected features of TensorFlow Datasets alone. Save the images as a folder "
                    "or as a .npz file."
                )
    except RecursionError:
        raise InputError(
            f"{file} is nested too deeply; expected what TensorFlow Datasets writes. Save the "
            "images as a folder or as a .npz file."
        ) from None


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    """Every dictionary, also those in strings of JSON, which a feature may hold."""
    nodes = [node]
    while nodes:
        node = nodes.pop()
        if isinstance(node, str) and node.lstrip().startswith("{"):
            try:
                nodes.append(json.loads(node))
            except ValueError:
                continue  # A description; TFDS, too, cannot parse it.
        if isinstance(node, dict):
            yield node
            nodes.extend(node.values())
        elif isinstance(node, list):
            nodes.extend(node)


def _feature_class(node: dict[str, Any]) -> str | None:
    """The class by any of the spellings that protocol buffers accept; None if it is no Feature."""
    try:
        feature = json_format.ParseDict(node, feature_pb2.Feature(), ignore_unknown_fields=True)
    # Then TFDS cannot parse it either, for the same reason.
    except (json_format.ParseError, AttributeError, TypeError, ValueError):
        return None
    return feature.python_class_name or None
