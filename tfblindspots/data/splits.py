"""The split syntax of TensorFlow Datasets: ``train[:500]``, ``test[10%:]``, ``train+test``.

See https://www.tensorflow.org/datasets/splits.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow_datasets as tfds

from tfblindspots.errors import InputError


def source_splits(split: str) -> list[str]:
    """The names of the splits that ``split`` takes images from, each once, in order."""
    names = (part.partition("[")[0].strip() for part in split.split("+"))
    return list(dict.fromkeys(names))


def split_infos(sizes: Mapping[str, int]) -> dict[str, tfds.core.SplitInfo]:
    """From the number of images of each split to what TFDS would know of it."""
    return {
        name: tfds.core.SplitInfo(name=name, shard_lengths=[size], num_bytes=0)
        for name, size in sizes.items()
    }


def resolve_split(
    dataset: str, split: str, split_infos: Mapping[str, tfds.core.SplitInfo]
) -> list[tuple[str, np.ndarray]]:
    """Says which images ``split`` means.

    Args:
      dataset: the dataset's name, for messages.
      split: in the split syntax of TFDS.
      split_infos: the splits that the dataset has, by name.

    Returns:
      For each part of the sum ``split``: the name of its split and its positions there, int64.

    Raises:
      InputError: the syntax is wrong, there is no such split, the slice reaches beyond its end, or
        a part selects no image.
    """
    sizes = ", ".join(f"{name} ({info.num_examples})" for name, info in split_infos.items())
    names = [*split_infos] or ["train"]
    parts_of = f"'{names[0]}[:500]' or '{names[-1]}[10%:]'"
    advice = f"expected one of {sizes}, or a part of it such as {parts_of}."
    try:
        instruction = tfds.core.ReadInstruction.from_spec(split)
    except (ValueError, NotImplementedError):
        raise InputError(
            f"split '{split}' of {dataset} is not in the split syntax of TFDS; {advice}"
        ) from None
    missing = [name for name in source_splits(split) if name not in (*split_infos, "all")]
    if missing:
        raise InputError(f"{dataset} has no split '{missing[0]}'; {advice}")
    try:
        absolute = instruction.to_absolute(split_infos)
    except ValueError:
        raise InputError(f"split '{split}' of {dataset} reaches beyond the end; {advice}") from None
    parts = []
    for part in absolute:
        size = split_infos[part.splitname].num_examples
        stop = size if part.to is None else part.to
        positions = np.arange(part.from_ or 0, stop, dtype=np.int64)
        if not positions.size:
            raise InputError(f"split '{split}' of {dataset} selects no images; {advice}")
        parts.append((part.splitname, positions))
    return parts
