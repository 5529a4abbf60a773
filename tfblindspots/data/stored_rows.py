"""Single images of a NumPy archive, found by the place of its arrays in the file."""

import math
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfblindspots.data.cache import Arrays, cached, key_of_files

# A zip archive's header of a member ends with the lengths of a name and of an extra field.
_HEADER = struct.Struct("<26xHH")
_ENCRYPTED = 1
_READ_HEADER = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_CHUNK = 1 << 24


class _Rows(NamedTuple):
    """An array in a file, in row-major order."""

    key: str
    start: int  # bytes before its first row
    shape: tuple[int, ...]
    dtype: np.dtype


class StoredRows:
    """A ``Source``: rows of arrays that lie in one file as they are in memory.

    They are read and not mapped: a file that is cut off meanwhile would kill the process.
    """

    def __init__(
        self, path: Path, parts: Sequence[tuple[_Rows, np.ndarray]], labels: np.ndarray
    ) -> None:
        self._path = path
        self._arrays = [rows for rows, _ in parts]
        self._array = np.repeat(np.arange(len(parts)), [len(numbers) for _, numbers in parts])
        self._number = np.concatenate([numbers for _, numbers in parts])
        self._labels = labels

    def __len__(self) -> int:
        return len(self._labels)

    def read(self, row: int) -> bytes:
        """The row's bytes; see ``Source``."""
        rows = self._arrays[self._array[row]]
        size = math.prod(rows.shape[1:]) * rows.dtype.itemsize
        with self._path.open("rb") as file:
            file.seek(rows.start + int(self._number[row]) * size)
            content = file.read(size)
        if len(content) < size:
            raise OSError("the file is cut off")
        return content

    def decode(self, row: int, content: bytes) -> tuple[np.ndarray, int]:
        """Pixels and label; see ``Source``."""
        rows = self._arrays[self._array[row]]
        image = np.frombuffer(content, rows.dtype).reshape(rows.shape[1:])
        return image if image.ndim == 3 else image[..., np.newaxis], int(self._labels[row])

    def place(self, row: int) -> str:
        """The file, the array and the number in it."""
        return f"{self._arrays[self._array[row]].key}[{self._number[row]}] of {self._path}"


def stored_rows(
    path: Path,
    archive: zipfile.ZipFile,
    parts: Sequence[tuple[str, np.ndarray]],
    labels: np.ndarray,
) -> StoredRows | None:
    """Images of an archive as rows of its file.

    Args:
      path: of the file.
      archive: it, open.
      parts: names of arrays, and which rows of each, int64.
      labels: of all of these together, int64.

    Returns:
      None where one of the arrays is compressed, is not stored row by row, or is not of images.

    Raises:
      zipfile.BadZipFile: the file is damaged.
    """
    found = []
    for key, numbers in parts:
        rows = _rows(path, archive, key)
        if rows is None or numbers.max() >= rows.shape[0]:
            return None
        found.append((rows, numbers))
    return StoredRows(path, found, labels)


def check_sound(path: Path, archive: zipfile.ZipFile, keys: Sequence[str]) -> None:
    """Compares arrays with their checksums, once for each state of the file.

    Raises:
      zipfile.BadZipFile: the file is damaged.
    """

    def compute() -> Arrays:
        for key in keys:
            with archive.open(f"{key}.npy") as member:
                while member.read(_CHUNK):
                    pass
        return {"sound": np.array(keys)}

    cached("archive", key_of_files([path], keys), compute, lambda found: found.keys() == {"sound"})


def _rows(path: Path, archive: zipfile.ZipFile, key: str) -> _Rows | None:
    try:
        member = archive.getinfo(f"{key}.npy")
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & _ENCRYPTED:
            return None
        with path.open("rb") as file:
            file.seek(member.header_offset)
            before = sum(_HEADER.unpack(file.read(_HEADER.size)))
            first = file.seek(before, 1)
            read_header = _READ_HEADER[np.lib.format.read_magic(file)]
            shape, by_columns, dtype = read_header(file)
            start = file.tell()
    # No such member, or no such header: whoever reads it whole says so.
    except (KeyError, ValueError, struct.error):
        return None
    numbers = dtype == np.uint8 or np.issubdtype(dtype, np.floating)
    if by_columns or not numbers or len(shape) not in (3, 4):
        return None
    whole = start - first + math.prod(shape) * dtype.itemsize == member.file_size
    return _Rows(key, start, shape, dtype) if whole else None
