"""A whole adversarial set written at once, for examples that are in memory anyway."""

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from tfblindspots.adversarial_sets.schema import KIND
from tfblindspots.adversarial_sets.writer import AdversarialSetWriter, require_no_finished_result
from tfblindspots.artifacts import atomic_path, build_manifest, prepare_output_directory
from tfblindspots.errors import InputError


class _Fields(Protocol):
    """A named tuple of arrays."""

    def _asdict(self) -> dict[str, Any]: ...


def write_adversarial_set(
    directory: str | os.PathLike[str],
    examples: Mapping[str, np.ndarray] | _Fields,
    *,
    model: str | Mapping[str, Any],
    class_names: Sequence[str],
    source_split: str = "test",
    shard_size: int = 5000,
) -> dict[str, Any]:
    """Writes adversarial examples as a set.

    Args:
      directory: of the set; new or empty.
      examples: an array for each of ``FIELDS``, by name: what ``find_adversarial_examples``
        returns.
      model: that they were made for: its name or, so that others can tell whether they have the
        same, what ``Classifier.description`` says of it.
      class_names: names of its classes, by number.
      source_split: the split that the images come from; the set's split bears its name.
      shard_size: examples a file.

    Returns:
      The set's manifest.

    Raises:
      InputError: the examples do not fit the schema, ``class_names`` are none, or the
        directory holds other files.
    """
    start = time.perf_counter()
    if isinstance(class_names, str) or not isinstance(class_names, Iterable):
        raise InputError(
            f"class_names is {class_names!r}; expected a name for each class, such as "
            "['cat', 'dog']."
        )
    fields = examples if isinstance(examples, Mapping) else examples._asdict()
    require_no_finished_result(directory)
    prepare_output_directory(directory)
    # The whole set appears at once: there is no unfinished one that other examples could complete.
    with atomic_path(directory) as temporary:
        writer = AdversarialSetWriter(
            temporary,
            image_shape=fields["image"].shape[1:],
            class_names=class_names,
            source_split=source_split,
            num_examples=len(fields["image"]),
            shard_size=shard_size,
        )
        for shard in writer.missing_shards():
            first, last = writer.shard_range(shard)
            writer.write_shard(shard, {name: field[first:last] for name, field in fields.items()})
        described = {"name": model} if isinstance(model, str) else dict(model)
        return writer.finish(
            build_manifest(
                KIND,
                flags={"shard_size": shard_size},
                seed=None,
                inputs={"model": described},
                seconds=time.perf_counter() - start,
                model=described,
            )
        )
