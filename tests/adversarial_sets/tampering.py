"""Sets that are not what they claim to be."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfblindspots.adversarial_sets import Layout, read_adversarial_set
from tfblindspots.adversarial_sets.serialization import serialize_examples
from tfblindspots.artifacts import MANIFEST, fingerprint_path, read_json, write_json

REPOSITORY = Path(__file__).parents[2]
# The shipped ones, of one another.
EXAMPLE_SET = REPOSITORY / "docs" / "examples" / "digits-fc100-100-10"
MODEL = REPOSITORY / "saved_models" / "digits" / "fc100-100-10"
# Written by scripts/attack.py when schema 1 was the newest; never to be made again.
SCHEMA_1 = Path(__file__).parent / "data" / "schema_1" / "digits"

Examples = dict[str, np.ndarray]


def copy_of(directory: Path, to: Path) -> Path:
    """A copy to be tampered with."""
    shutil.copytree(directory, to)
    return to


def shards(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.tfrecord-*"))


def forge_manifest(directory: Path, **values: Any) -> None:
    """Replaces entries of a set's manifest."""
    write_json(directory / MANIFEST, {**read_json(directory / MANIFEST), **values})


def vouch(directory: Path) -> None:
    """Gives the manifest the SHA-256 of the shards as they are."""
    hashes = {path.name: fingerprint_path(path) for path in shards(directory)}
    forge_manifest(directory, shards=hashes)


def forge_examples(directory: Path, change: Callable[[Examples], None]) -> None:
    """Writes the shards anew, with records and SHA-256 that are right, of examples changed."""
    found = read_adversarial_set(directory)
    change(found.examples)
    layout = Layout.from_manifest(found.manifest, directory)
    for number, path in enumerate(layout.shard_paths(directory)):
        part = slice(*layout.shard_range(number))
        with tf.io.TFRecordWriter(os.fspath(path)) as records:
            for record in serialize_examples({k: v[part] for k, v in found.examples.items()}):
                records.write(record)
    vouch(directory)


def flip_bit(path: Path, bit: int) -> None:
    """Turns one bit of a file over."""
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << (bit % 8)
    path.write_bytes(data)
