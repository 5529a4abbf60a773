"""Single examples of TFRecord files, found by the place of each in its file."""

import itertools
import struct
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from tfblindspots.data.cache import Arrays, cached, key_of_files
from tfblindspots.errors import InputError, first_line

# A record is framed: its length, the length's checksum, the record, its checksum.
_LENGTH = struct.Struct("<Q")
_BEFORE, _AFTER = _LENGTH.size + 4, 4


class TFRecords:
    """A ``Source``: some examples of files that TensorFlow Datasets wrote.

    Args:
      files: their paths.
      counts: examples in each, as TFDS says.
      chosen: which examples, counted over all files, int64 [N].
      features: of the dataset, among them ``image`` and ``label``.

    Raises:
      InputError: a file is cut off or missing.
    """

    def __init__(
        self,
        files: Sequence[str],
        counts: Sequence[int],
        chosen: np.ndarray,
        features: tfds.features.FeaturesDict,
    ) -> None:
        self._files = files
        firsts = np.cumsum([0, *counts])
        self._file = np.searchsorted(firsts, chosen, side="right") - 1
        self._number = chosen - firsts[self._file]
        places = _places(files, counts)
        self._start, self._length = places["starts"][chosen], places["lengths"][chosen]

        @tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
        def parse(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            example = features.deserialize_example(record)
            return example["image"], example["label"]

        self._parse = parse.get_concrete_function()

    def __len__(self) -> int:
        return len(self._file)

    def read(self, row: int) -> bytes:
        """The serialized example; see ``Source``."""
        with open(self._files[self._file[row]], "rb") as file:  # noqa: PTH123 - a hot path
            file.seek(self._start[row])
            content = file.read(self._length[row])
        if len(content) < self._length[row]:
            raise OSError("the file is cut off")
        return content

    def decode(self, row: int, content: bytes) -> tuple[np.ndarray, int]:
        """Pixels as stored, and the label; see ``Source``."""
        image, label = self._parse(tf.constant(content))
        return image.numpy(), int(label)

    def place(self, row: int) -> str:
        """The file and the number in it."""
        return f"example {self._number[row]} of {self._files[self._file[row]]}"


def _places(files: Sequence[str], counts: Sequence[int]) -> Arrays:
    """Where each example begins in its file, and its length: kept, for finding out reads them."""

    def compute() -> Arrays:
        found = [find_records(path, count) for path, count in zip(files, counts, strict=True)]
        places = np.array(list(itertools.chain.from_iterable(found)), np.int64)
        return {"starts": places[:, 0], "lengths": places[:, 1]}

    def valid(arrays: Arrays) -> bool:
        expected = {name: ("<i8", (sum(counts),)) for name in ("starts", "lengths")}
        return {name: (array.dtype.str, array.shape) for name, array in arrays.items()} == expected

    return cached("records", key_of_files(files, tuple(counts)), compute, valid)


def find_records(path: str, count: int) -> list[tuple[int, int]]:
    """The place and the length of each record, all of which agree with their checksums.

    Args:
      path: of a TFRecord file.
      count: records that it should hold.

    Raises:
      InputError: it is cut off, damaged or missing, or holds others.
    """
    try:
        sound = int(tf.data.TFRecordDataset(path).reduce(np.int64(0), lambda number, _: number + 1))
    except tf.errors.OpError as error:
        raise _damaged(path, first_line(error)) from None
    if sound != count:
        raise _damaged(path, f"it holds {sound} of {count} examples")
    found, position = [], 0
    with open(path, "rb") as file:  # noqa: PTH123
        for _ in range(count):
            file.seek(position)
            length = _LENGTH.unpack(file.read(_LENGTH.size))[0]
            found.append((position + _BEFORE, length))
            position += _BEFORE + length + _AFTER
    return found


def _damaged(path: str, problem: str) -> InputError:
    return InputError(
        f"{path} cannot be read ({problem}); expected a file that TensorFlow Datasets wrote. "
        "Prepare or copy the dataset anew."
    )
