"""Reads an adversarial set back into memory."""

import functools
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfblindspots.adversarial_sets.integrity import shard_problem
from tfblindspots.adversarial_sets.layout import Layout
from tfblindspots.adversarial_sets.manifest_types import check_manifest
from tfblindspots.adversarial_sets.schema import KIND, Field, feature_description, fields_of
from tfblindspots.artifacts import MANIFEST, read_manifest
from tfblindspots.errors import InputError

# What is parsed at once: small enough for the memory to be used again, not asked for anew.
_BATCH_BYTES = 1 << 20


@dataclass(frozen=True)
class AdversarialSet:
    """An adversarial set in memory.

    Attributes:
      name: of the set's directory.
      source_split: the split that the images come from, such as ``"train"``.
      examples: an array for each of ``fields_of`` the set's schema, by name, in the order in which
        they were written: images float32 [N, H, W, C] in [0, 1], or uint8, ``status`` of str
        objects [N], the others int64 or float32 [N].
      manifest: what ``manifest.json`` says.
    """

    name: str
    source_split: str
    examples: dict[str, np.ndarray]
    manifest: dict[str, Any]


def read_adversarial_set(directory: str | os.PathLike[str]) -> AdversarialSet:
    """Reads a set that ``AdversarialSetWriter`` finished.

    Args:
      directory: of the set.

    Returns:
      The set, whole.

    Raises:
      InputError: there is no directory or manifest, the manifest is of another kind, or a shard is
        missing, truncated or damaged.
    """
    root = Path(directory)
    manifest = read_manifest(root, KIND)
    layout = check_manifest(manifest, root / MANIFEST)
    paths = layout.shard_paths(root)
    for path in paths:
        if not path.is_file():
            raise InputError(
                f"{path} is missing; expected {len(paths)} shards. Copy the set again, whole, or "
                "make it again."
            )
    return AdversarialSet(
        name=root.resolve().name,
        source_split=layout.source_split,
        examples=read_shards(paths, layout, manifest["schema"]),
        manifest=manifest,
    )


def read_shards(
    paths: Sequence[Path], layout: Layout, schema: int, names: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """The examples of some shards of a set, which are there.

    Args:
      paths: the shards, ascending.
      layout: of the set.
      schema: of the set.
      names: of the fields that are wanted; None for all of the schema's.

    Returns:
      As the attribute ``examples`` of ``AdversarialSet``.

    Raises:
      InputError: a shard is truncated or damaged, or holds something else.
    """
    fields = [field for field in fields_of(schema) if names is None or field.name in names]
    parse = functools.partial(_parse, image_shape=layout.image_shape, schema=schema, fields=fields)
    shards = [path.name for path in layout.shard_paths(Path())]
    count = sum(layout.shard_count(shards.index(path.name)) for path in paths)
    example_bytes = 2 * 4 * math.prod(layout.image_shape)
    # Before memory is asked for: a manifest may speak of more than there can be.
    if sum(path.stat().st_size for path in paths) < count * example_bytes:
        raise _damaged(paths, layout)
    batches = (
        tf.data.TFRecordDataset([os.fspath(path) for path in paths])
        .batch(max(1, _BATCH_BYTES // example_bytes))
        .map(parse, tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )
    examples = {
        field.name: np.empty(
            (count, *layout.image_shape) if field.is_image else (count,), field.dtype
        )
        for field in fields
    }
    first = 0
    try:
        for batch in batches.as_numpy_iterator():
            last = first + len(batch[fields[0].name])
            if last > count:
                raise _damaged(paths, layout)
            for name, values in batch.items():
                examples[name][first:last] = values
            first = last
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError):
        raise _damaged(paths, layout) from None
    if first < count:
        raise _damaged(paths, layout)
    return {
        name: _decode(values) if values.dtype == object else values
        for name, values in examples.items()
    }


def _decode(texts: np.ndarray) -> np.ndarray:
    """Bytes to text; the few reasons that recur are decoded once."""
    decoded = {text: text.decode(errors="replace") for text in set(texts.tolist())}
    return np.array([decoded[text] for text in texts.tolist()], dtype=object)


# Nothing to convert, and looking for it takes longer than to read some thousand examples.
@tf.autograph.experimental.do_not_convert
def _parse(
    records: tf.Tensor, image_shape: tuple[int, int, int], schema: int, fields: Sequence[Field]
) -> dict[str, tf.Tensor]:
    """A batch of records as tensors of the fields' own types."""
    description = feature_description(image_shape, schema)
    batch = tf.io.parse_example(records, {field.name: description[field.name] for field in fields})
    for field in fields:
        if field.dtype == np.uint8:
            values = tf.io.decode_raw(batch[field.name], tf.uint8)
            # Not -1: bytes of another number of pixels are an error.
            batch[field.name] = tf.reshape(values, [tf.shape(records)[0], *image_shape])
    return batch


def _damaged(paths: Sequence[Path], layout: Layout) -> InputError:
    """Finds the shard that could not be read, which TensorFlow's own errors do not name."""
    for path in paths:
        problem = shard_problem(path, layout)
        if problem:
            return InputError(f"{path} {problem}. Copy the set again, whole, or make it again.")
    return InputError(
        f"{paths[0].parent} holds records of other fields or shapes; expected images of "
        f"{list(layout.image_shape)}. Make the set again."
    )
