"""NumPy archives: which arrays are read, and what is said of those that cannot be."""

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfblindspots.data import load_dataset
from tfblindspots.errors import InputError

_PIXELS = np.random.default_rng(5).integers(0, 256, (7, 4, 3), np.uint8)
_LABELS = np.array([2, 0, 1, 1, 0, 2, 4], np.uint8)


def _save(path: Path, **arrays: Any) -> str:
    np.savez(path, **arrays)
    return str(path)


@pytest.mark.parametrize("keys", [("images", "labels"), ("x", "y")])
@pytest.mark.parametrize("labels", [_LABELS, _LABELS.astype(np.int64)[:, None]])
def test_one_split(tmp_path: Path, keys: tuple[str, str], labels: np.ndarray) -> None:
    path = _save(tmp_path / "mine.npz", **dict(zip(keys, (_PIXELS, labels), strict=True)))
    dataset = load_dataset(path, "test[2:]")
    np.testing.assert_array_equal(dataset.images, _PIXELS[2:, ..., None] / np.float32(255))
    assert dataset.labels.dtype == np.int64 and dataset.labels.tolist() == [1, 1, 0, 2, 4]
    assert dataset.indices.tolist() == [2, 3, 4, 5, 6]
    assert (dataset.name, dataset.num_classes) == ("mine", 5)
    assert dataset.class_names == ("0", "1", "2", "3", "4")


@pytest.mark.parametrize(
    "keys",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
    ],
)
def test_splits_by_name(tmp_path: Path, keys: tuple[str, ...]) -> None:
    colours = np.random.default_rng(6).random((7, 4, 3, 3))
    arrays = (colours, _LABELS, colours[:2], _LABELS[1:3])
    path = _save(tmp_path / "mine.npz", **dict(zip(keys, arrays, strict=True)))
    train, test = (load_dataset(path, split) for split in ("train", "test"))
    np.testing.assert_array_equal(train.images, colours.astype(np.float32))
    assert test.labels.tolist() == [0, 1]
    assert test.num_classes == 5  # of the whole file, so that splits agree
    with pytest.raises(InputError, match=r"mine has no split 'val'; expected one of train \(7\)"):
        load_dataset(path, "val")


def test_is_framed(tmp_path: Path) -> None:
    path = _save(tmp_path / "mine.npz", images=_PIXELS, labels=_LABELS)
    dataset = load_dataset(path, "test", image_size=(3, 3), short_side=3)
    expected = _PIXELS[:, :3, :, None] / np.float32(255)
    np.testing.assert_array_equal(dataset.images, expected)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": _PIXELS, "b": _LABELS}, "holds a, b; expected images and labels, or x_train and"),
        ({"images": _PIXELS}, "holds images; expected images and labels"),
        (
            {"images": _PIXELS, "labels": np.eye(5)[_LABELS]},
            r"labels of .* has shape \[7, 5\] and type float64; .* Save one-hot labels as labels",
        ),
        (
            {"images": _PIXELS, "labels": _LABELS / 1},
            r"labels of .* has shape \[7\] and type float64; expected one integer an image",
        ),
        (
            {"images": _PIXELS, "labels": np.arange(-1, 6)},
            "labels of .* has the label -1; expected numbers of classes, from 0",
        ),
        (
            {"images": _PIXELS, "labels": np.array([0, 1, 2, 3, 4, 5, 10**12])},
            "labels of .* has the label 1000000000000; expected numbers of classes, from 0",
        ),
        (
            {"images": _PIXELS, "labels": np.full(7, 2**64 - 1, np.uint64)},
            "labels of .* has the label 18446744073709551615; expected numbers of classes",
        ),
        (
            {"images": _PIXELS, "labels": _LABELS[:6]},
            "has 7 images in images, and 6 labels for them; expected as many labels as images",
        ),
        (
            {"images": _PIXELS.astype(np.int64), "labels": _LABELS},
            r"images of .* has shape \[7, 4, 3\] and type int64; expected \[N, height, width\] or",
        ),
        ({"images": _PIXELS.reshape(7, 12), "labels": _LABELS}, r"has shape \[7, 12\] and type u"),
        (
            {"images": np.full((7, 4, 3), 255.0), "labels": _LABELS},
            r"dataset mine has float64 images from 255 to 255; expected \[0, 1\], or uint8",
        ),
        (
            {"images": np.full((7, 4, 3), np.nan), "labels": _LABELS},
            "dataset mine has float64 images from nan to nan; expected",
        ),
        (
            {"images": np.array([_PIXELS, None], object), "labels": _LABELS},
            r"images of .* cannot be read \(.*\); expected an array of numbers",
        ),
        (
            {"images": _PIXELS[:, :0], "labels": _LABELS},
            r"dataset mine has images of shape \[0, 3, 1\]; expected at least one pixel of one",
        ),
        ({"images": _PIXELS[:0], "labels": _LABELS[:0]}, "split 'test' of mine selects no images"),
    ],
)
def test_rejects_arrays(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    path = _save(tmp_path / "mine.npz", **arrays)
    with pytest.raises(InputError, match=message) as caught:
        load_dataset(path, "test")
    assert "\n" not in str(caught.value)


def test_rejects_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone.npz does not exist; expected a .npz file"):
        load_dataset(str(tmp_path / "gone.npz"), "test")
    path = tmp_path / "odd.npz"
    for content in (b"", b"PK\3\4 no archive", b"no archive at all"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"odd.npz is not a .npz file \(.*\)\.$"):
            load_dataset(str(path), "test")
    with path.open("wb") as file:
        np.save(file, _PIXELS)
    with pytest.raises(InputError, match=r"holds a single array; expected a .npz file of np.savez"):
        load_dataset(str(path), "test")


class _Evil:
    """Makes a directory when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    images = np.array([_Evil(tmp_path / "marker")], object)
    path = _save(tmp_path / "evil.npz", images=images, labels=_LABELS)
    with pytest.raises(
        InputError, match=r"images of .*evil\.npz cannot be read \(Object arrays can"
    ):
        load_dataset(path, "test")
    assert not (tmp_path / "marker").exists()
    np.load(path, allow_pickle=True)["images"]  # It is no empty threat.
    assert (tmp_path / "marker").is_dir()


def test_shapes_and_names_that_lie(tmp_path: Path) -> None:
    header = io.BytesIO()
    claimed = {"descr": "|u1", "fortran_order": False, "shape": (10**9, 10**6, 9)}
    np.lib.format.write_array_header_1_0(header, claimed)
    path = Path(_save(tmp_path / "evil.npz", labels=_LABELS))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("images.npy", header.getvalue())
    with pytest.raises(
        InputError, match=r"images of .*evil\.npz cannot be read \(.*\); expected an"
    ):
        load_dataset(str(path), "test")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("/tmp/images.npy", header.getvalue())
    with pytest.raises(InputError, match=r"evil\.npz has a member '/tmp/images\.npy', which leads"):
        load_dataset(str(path), "test")


def _headed(header: str) -> bytes:
    """A .npy file with a header of one's own."""
    text = header.ljust(117).encode() + b"\n"
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text + bytes(100)


@pytest.mark.parametrize(
    "content",
    [
        _headed("{'descr':"),
        _headed("{'descr': [('a', 5)], 'fortran_order': False, 'shape': (3,)}"),
        _headed("{'descr': '<i8', 'fortran_order': False, 'shape': ('a',)}"),
        _headed("{'descr': '<i8', 'fortran_order': False, 'shape': (-3,)}"),
        _headed("{'descr': " + "(" * 50 + ")" * 50 + "}"),
        b"no .npy file",
        b"",
    ],
)
def test_members_that_are_no_arrays(tmp_path: Path, content: bytes) -> None:
    path = Path(_save(tmp_path / "odd.npz", images=_PIXELS))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.npy", content)
    message = r"^labels of .*odd\.npz (cannot be read \(.*\)|is no \.npy file); expected an arr"
    with pytest.raises(InputError, match=message):
        load_dataset(str(path), "test")


# In the archive's directory: bytes from the start of an entry, and what is written there.
@pytest.mark.parametrize(("place", "value"), [(8, 1), (10, 99)], ids=["encrypted", "method"])
def test_members_that_zipfile_does_not_read(tmp_path: Path, place: int, value: int) -> None:
    path = Path(_save(tmp_path / "odd.npz", images=_PIXELS, labels=_LABELS))
    content = bytearray(path.read_bytes())
    entry = -1
    while (entry := content.find(b"PK\1\2", entry + 1)) >= 0:
        content[entry + place] = value
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"^labels of .*odd\.npz cannot be read \(.*\); expected"):
        load_dataset(str(path), "test")


def test_a_stream_that_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "odd.npz"
    np.savez_compressed(path, images=_PIXELS, labels=_LABELS)
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(range(200, 230))
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"images of .*odd\.npz cannot be read \(.*\); expected"):
        load_dataset(str(path), "test")
