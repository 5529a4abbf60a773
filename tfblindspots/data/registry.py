"""Datasets by name."""

import difflib
from collections.abc import Callable
from pathlib import Path

import tensorflow_datasets as tfds

from tfblindspots.data.dataset import ImageDataset
from tfblindspots.data.digits import load_digits
from tfblindspots.data.tfds_reader import load_from_directory, load_from_tfds
from tfblindspots.errors import InputError

# From a name to what loads it: (split, data_dir) -> ImageDataset. Other names are those of TFDS.
DATASETS: dict[str, Callable[[str, str | None], ImageDataset]] = {"digits": load_digits}


def load_dataset(name: str, split: str, data_dir: str | None = None) -> ImageDataset:
    """Loads a dataset's split into memory.

    Args:
      name: ``'digits'``; a TensorFlow Datasets name such as ``'mnist'`` or ``'mnist:3.0.1'``, which
        is downloaded when it is not there; or the path of a directory as TFDS writes it.
      split: which images, in the split syntax of TFDS: ``'train'``, ``'train[:500]'``,
        ``'test[10%:]'``, ``'train+test'``.
      data_dir: where TFDS keeps its datasets; None for its default (``TFDS_DATA_DIR``, else
        ``~/tensorflow_datasets``).

    Returns:
      The images in the order of the split, so that ``indices`` finds them again.

    Raises:
      InputError: the name or the split does not exist, the split is empty, the data cannot be
        downloaded, or it is not images of one size with one class each.
    """
    if name in DATASETS:
        return DATASETS[name](split, data_dir)
    path = Path(name).expanduser()
    if (path / "dataset_info.json").is_file():
        return load_from_directory(path, split)
    if path.is_absolute() or name.startswith((".", "~")):
        raise InputError(_not_a_tfds_directory(path))
    try:
        return load_from_tfds(name, split, data_dir)
    except tfds.core.registered.DatasetNotFoundError:
        raise InputError(_unknown(name)) from None


def _not_a_tfds_directory(path: Path) -> str:
    if not path.exists():
        return f"dataset directory {path} does not exist; expected a directory that TFDS wrote."
    versions = sorted(str(info.parent) for info in path.glob("*/dataset_info.json"))
    advice = f"did you mean {versions[-1]}?" if versions else "name a directory that TFDS wrote."
    return f"dataset directory {path} has no dataset_info.json; {advice}"


def _unknown(name: str) -> str:
    names = [*DATASETS, *tfds.list_builders(with_community_datasets=False)]
    close = difflib.get_close_matches(name, names)
    suggestion = f" (did you mean {' or '.join(close)}?)" if close else ""
    return (
        f"dataset '{name}' is unknown{suggestion}; expected {', '.join(DATASETS)}, a TensorFlow "
        "Datasets name such as mnist, or the path of a TFDS directory."
    )
