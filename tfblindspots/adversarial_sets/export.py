"""An adversarial set as one file that NumPy reads."""

import json
import os
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfblindspots.adversarial_sets.reader import read_adversarial_set
from tfblindspots.adversarial_sets.schema import KIND
from tfblindspots.artifacts import atomic_path, check_archive, check_output_file, to_json
from tfblindspots.errors import InputError, first_line

# Its name, where it lies beside the shards.
NPZ = "examples.npz"
# What NumPy raises for a file that is not one of its archives, or a damaged one.
_UNREADABLE = (
    *(OSError, ValueError, EOFError, RuntimeError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error, SyntaxError, tokenize.TokenError),
)


def export_npz(
    directory: str | os.PathLike[str], path: str | os.PathLike[str] | None = None
) -> Path:
    """Writes a set as a ``.npz`` file, which ``numpy.load`` reads without unpickling anything.

    Besides an array for each field, by its name, with texts of fixed width, it holds
    ``class_names`` and ``manifest``, the text of ``manifest.json``.

    Args:
      directory: of the set.
      path: of the file, replaced where it is an earlier export; None: ``examples.npz`` in the
        set's directory, always replaced.

    Returns:
      The file's path.

    Raises:
      InputError: as ``read_adversarial_set``, or the path has another suffix, holds something
        else, or cannot be written.
    """
    if path is None:
        path = Path(directory) / NPZ
    else:
        path = Path(path)
        if path.suffix != ".npz":
            raise InputError(f"file {path} would be a .npz file; give it a name that says so.")
        check_output_file(path, _is_export, what="file", expected="export of an adversarial set")
    adversarial_set = read_adversarial_set(directory)
    arrays = _all_arrays(adversarial_set.examples, adversarial_set.manifest)
    # Given a name, NumPy would append its own suffix to a temporary one.
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    return path


def npz_problem(
    path: Path, examples: Mapping[str, np.ndarray], manifest: Mapping[str, Any]
) -> str | None:
    """In what an exported file differs from its set; None where it does not.

    Args:
      path: of what bears the file's name.
      examples: of the whole set.
      manifest: of the set.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            check_archive(archive, path)
        with np.load(path, allow_pickle=False) as arrays:
            for name, values in _all_arrays(examples, manifest).items():
                if name not in arrays:
                    return f"lacks {name}"
                found = arrays[name]
                if name == "manifest":
                    same = json.loads(str(found)) == manifest
                else:
                    same = np.array_equal(found, values)
                if not same:
                    where = "set's manifest" if name in ("manifest", "class_names") else "shards"
                    return f"holds another {name} than the {where}"
    except (*_UNREADABLE, MemoryError, RecursionError) as error:
        return f"cannot be read ({first_line(error)})"
    return None


def _is_export(path: Path) -> bool:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return bool(json.loads(str(arrays["manifest"]))["kind"] == KIND)
    # TypeError: not an archive but a single array, or a manifest that is none of ours.
    except (*_UNREADABLE, KeyError, TypeError):
        return False


def _all_arrays(
    examples: Mapping[str, np.ndarray], manifest: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    arrays = {
        name: values.astype(np.str_) if values.dtype == object else values
        for name, values in examples.items()
    }
    return arrays | {
        "class_names": np.array(manifest["class_names"], np.str_),
        "manifest": np.array(to_json(manifest)),
    }
