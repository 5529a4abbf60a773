"""Whether the files of a set are those that its manifest speaks of."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from tfblindspots.adversarial_sets.layout import Layout
from tfblindspots.adversarial_sets.schema import fields_of
from tfblindspots.artifacts import fingerprint_path
from tfblindspots.errors import first_line


def file_problems(directory: Path, manifest: Mapping[str, Any], layout: Layout) -> dict[str, str]:
    """Compares files with the SHA-256 that the manifest gives for each.

    Args:
      directory: of the set.
      manifest: of the set.
      layout: of the set.

    Returns:
      By the name of each file that is not the one that the manifest speaks of: what is wrong with
      it. The manifest of schema 1 speaks of the shards only.
    """
    shards = {path.name for path in layout.shard_paths(directory)}
    listed = dict(manifest.get("shards", {}))
    problems = {
        name: "is not among the shards that the manifest lists" for name in shards - listed.keys()
    }
    for name, fingerprint in sorted({**manifest.get("files", {}), **listed}.items()):
        path = directory / name
        if not path.is_file():
            problems[name] = "is missing"
        elif fingerprint_path(path) != fingerprint:
            reason = shard_problem(path, layout) if name in shards else None
            problems[name] = reason or "has another SHA-256 than its manifest says: it was changed"
    return problems


def shard_problem(path: Path, layout: Layout) -> str | None:
    """What is wrong with a shard's records, of which each has checksums; None where nothing is."""
    names = [shard.name for shard in layout.shard_paths(path.parent)]
    expected = layout.shard_count(names.index(path.name))
    found = 0
    try:
        for _ in tf.data.TFRecordDataset(os.fspath(path)):
            found += 1
    except tf.errors.DataLossError as error:
        if "truncated" in str(error):
            return f"is truncated within record {found} (from 0) of {expected}"
        return f"is damaged: record {found} (from 0) of {expected} fails its checksum"
    if found < expected:
        return f"is truncated: it holds {found} of {expected} examples"
    return f"holds {found} examples; expected {expected}" if found > expected else None


def tfds_problem(directory: Path, layout: Layout, schema: int) -> str | None:
    """What TensorFlow Datasets, reading its own metadata, takes the set for; None if for this one.

    Args:
      directory: of the set.
      layout: of the set.
      schema: of the set.
    """
    try:
        info = tfds.builder_from_directory(directory).info
        splits = {name: tuple(split.shard_lengths) for name, split in info.splits.items()}
        found = {
            name: (tuple(feature.shape), np.dtype(feature.np_dtype))
            for name, feature in info.features.items()
        }
    # Damaged metadata end in errors of many types, deep in TFDS.
    except Exception as error:
        return f"cannot be read ({first_line(error)})"
    lengths = tuple(map(layout.shard_count, range(layout.num_shards)))
    if splits != {layout.source_split: lengths}:
        return f"name the splits {splits}; expected {layout.source_split} with shards of {lengths}"
    expected = {
        field.name: (layout.image_shape if field.is_image else (), field.dtype)
        for field in fields_of(schema)
    }
    wrong = sorted(
        name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)
    )
    return f"describe other fields: {', '.join(wrong)}" if wrong else None
