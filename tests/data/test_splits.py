"""Split syntax against Python's own slices."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tfblindspots.data.splits import resolve_split, source_splits, split_infos
from tfblindspots.errors import InputError

_SIZES = {"train": 1437, "test": 360}
_INFOS = {
    name: tfds.core.SplitInfo(name=name, shard_lengths=[size - 100, 100], num_bytes=0)
    for name, size in _SIZES.items()
}


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("train", range(1437)),
        ("train[:500]", range(500)),
        ("train[500:]", range(500, 1437)),
        ("test[-10:]", range(350, 360)),
        ("test[:-10]", range(350)),
        ("test[10%:]", range(36, 360)),
        ("test[25%:75%]", range(90, 270)),
        ("train[0shard]", range(1337)),
        ("train[1shard]", range(1337, 1437)),
    ],
)
def test_a_part_of_one_split(split: str, expected: range) -> None:
    ((name, positions),) = resolve_split("digits", split, _INFOS)
    assert name == source_splits(split)[0]
    assert positions.dtype == np.int64
    assert positions.tolist() == list(expected)


def test_a_sum_keeps_the_order_of_its_parts() -> None:
    parts = resolve_split("digits", "test[5:7] + train[:2]+test[:1]", _INFOS)
    assert [(name, positions.tolist()) for name, positions in parts] == [
        ("test", [5, 6]),
        ("train", [0, 1]),
        ("test", [0]),
    ]
    assert source_splits("test[5:7] + train[:2]+test[:1]") == ["test", "train"]


def test_disjoint_percentages_cover_a_split_once() -> None:
    cuts = [f"train[{cut}%:{cut + 10}%]" for cut in range(0, 100, 10)]
    pieces = [resolve_split("digits", cut, _INFOS)[0][1] for cut in cuts]
    np.testing.assert_array_equal(np.concatenate(pieces), np.arange(1437))


_POSSIBLE = (
    r"expected one of train \(1437\), test \(360\), or a part of it such as 'train\[:500\]' or "
    r"'test\[10%:\]'\.$"
)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("validation", "^digits has no split 'validation'; "),
        ("train+val[:3]", "^digits has no split 'val'; "),
        ("train[:0]", r"^split 'train\[:0\]' of digits selects no images; "),
        ("train[7:3]", r"^split 'train\[7:3\]' of digits selects no images; "),
        ("train+test[:0]", r"^split 'train\+test\[:0\]' of digits selects no images; "),
        ("train[:1438]", r"^split 'train\[:1438\]' of digits reaches beyond the end; "),
        ("train[:-1438]", r"^split 'train\[:-1438\]' of digits reaches beyond the end; "),
        ("train[:101%]", r"^split 'train\[:101%\]' of digits is not in the split syntax of TFDS; "),
        ("train[10%", r"^split 'train\[10%' of digits is not in the split syntax of TFDS; "),
        ("train[3]", r"^split 'train\[3\]' of digits is not in the split syntax of TFDS; "),
        ("all[:3]", r"^split 'all\[:3\]' of digits is not in the split syntax of TFDS; "),
        ("", "^split '' of digits is not in the split syntax of TFDS; "),
    ],
)
def test_rejects_splits(split: str, message: str) -> None:
    with pytest.raises(InputError, match=message + _POSSIBLE):
        resolve_split("digits", split, _INFOS)


def test_the_advice_names_splits_that_there_are() -> None:
    infos = split_infos({"validation": 1000})
    with pytest.raises(
        InputError, match=r"such as 'validation\[:500\]' or 'validation\[10%:\]'\.$"
    ):
        resolve_split("imagenet_sample", "test", infos)
