"""Images that are read when needed, against the same images in memory, of every kind of data."""

import dataclasses
import errno
import logging
import os
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import tensorflow_datasets as tfds

from tests.data.test_tfds_reader import write_dataset
from tfblindspots.artifacts import archives, fingerprint_arrays
from tfblindspots.data import (
    ImageDataset,
    LazyImages,
    image_folder,
    in_memory,
    load_dataset,
    one_against_rest,
    only_class,
    part_of,
    stored_rows,
    survey,
    tfrecords,
)
from tfblindspots.data import lazy_images as lazy_images_module
from tfblindspots.data.cache import key_of_files
from tfblindspots.errors import InputError

Load = Callable[..., ImageDataset]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFBLINDSPOTS_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def lazily(monkeypatch: pytest.MonkeyPatch) -> Load:
    """``load_dataset`` for which every dataset is too large for the memory."""

    def load(*args: Any, **settings: Any) -> ImageDataset:
        with monkeypatch.context() as patch:
            patch.setattr(survey, "MOST_IN_MEMORY", 0)
            return load_dataset(*args, **settings)

    return load


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows that are decoded, each time that they are."""
    rows: list[int] = []
    for source in (image_folder._Photos, tfrecords.TFRecords, stored_rows.StoredRows):

        def counted(self: Any, row: int, content: bytes, decode: Any = source.decode) -> Any:
            rows.append(row)
            return decode(self, row, content)

        monkeypatch.setattr(source, "decode", counted)
    return rows


def _pixels(count: int, seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    sizes = generator.integers(20, 40, (count, 2)).tolist()
    return [generator.integers(0, 256, (*size, 3), np.uint8) for size in sizes]


def _folder(directory: Path, grey: tuple[int, ...] = ()) -> str:
    """Fourteen photos of two classes: JPEG, PNG, one that is none and one whose end is missing."""
    for number, pixels in enumerate(_pixels(14)):
        path = directory / f"{'ab'[number % 2]}/{number:02}.{'jpg' if number % 3 else 'png'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(pixels).convert("L" if number in grey else "RGB").save(path)
    return str(directory)


def _damage(folder: str) -> None:
    (Path(folder) / "a/02.jpg").write_text("no photo")
    cut = Path(folder) / "b/13.jpg"
    cut.write_bytes(cut.read_bytes()[:-100])


def _tfds(directory: Path) -> str:
    features = {
        "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
        "label": tfds.features.ClassLabel(names=["a", "b"]),
    }
    examples = [{"image": image, "label": i % 2} for i, image in enumerate(_pixels(14))]
    return write_dataset(directory, examples, features, num_shards=3)


def _npz(directory: Path, dtype: type = np.uint8) -> str:
    images = np.random.default_rng(3).integers(0, 256, (14, 8, 9, 3), np.uint8)
    labels = np.arange(14) % 2
    if dtype is not np.uint8:
        images = (images / 255).astype(dtype)
    path = directory / "mine.npz"
    np.savez(path, x_train=images, y_train=labels, x_test=images[::-1][:5], y_test=labels[:5])
    return str(path)


def _same(found: ImageDataset, expected: ImageDataset) -> None:
    """Every field, and every way to index the images."""
    assert isinstance(found.images, LazyImages) and isinstance(expected.images, np.ndarray)
    for field in dataclasses.fields(ImageDataset):
        if field.name != "images":
            np.testing.assert_array_equal(
                getattr(found, field.name), getattr(expected, field.name), field.name
            )
    assert found.labels.dtype == found.indices.dtype == np.int64
    images, count = expected.images, len(expected.images)
    assert (found.images.shape, found.images.ndim, len(found.images)) == (images.shape, 4, count)
    assert (found.images.dtype, found.images.nbytes) == (np.float32, images.nbytes)
    generator = np.random.default_rng(1)
    for where in (
        slice(None),
        slice(3, 1),
        slice(-2, None, -2),
        2,
        np.int64(-1),
        generator.permutation(count),
        np.array([0, 0, count - 1]),
        np.array([], np.int64),
        generator.random(count) < 0.5,
        [1, 2],
    ):
        part = found.images[where]
        assert part.dtype == np.float32
        np.testing.assert_array_equal(part, images[where])
    np.testing.assert_array_equal(np.concatenate(list(found.images.batches(3))), images)
    with pytest.raises(IndexError):
        found.images[count]


@pytest.mark.parametrize("split", ["test", "test[3:9]", "test[:20%]+test[80%:]"])
def test_a_folder_of_photos(tmp_path: Path, lazily: Load, split: str) -> None:
    folder = _folder(tmp_path / "pets")
    _damage(folder)
    _same(
        lazily(folder, split, image_size=(16, 18)), load_dataset(folder, split, image_size=(16, 18))
    )


def test_greys_become_colours_whichever_come_first(tmp_path: Path, lazily: Load) -> None:
    for number, grey in enumerate([(0,), (3,), (0, 2, 4, 6, 8, 10, 12)]):
        folder = _folder(tmp_path / str(number) / "pets", grey)
        settings: dict[str, Any] = {"image_size": (16, 16), "short_side": 24}
        expected = load_dataset(folder, "test", **settings)
        assert expected.images.shape[-1] == 3
        _same(lazily(folder, "test", **settings), expected)


@pytest.mark.parametrize("split", ["train", "train[5:]", "train[12:]+train[:3]"])
def test_what_tfds_wrote(tmp_path: Path, lazily: Load, split: str) -> None:
    directory = _tfds(tmp_path)
    expected = load_dataset(directory, split, image_size=(20, 20))
    _same(lazily(directory, split, image_size=(20, 20)), expected)


def test_mnist_of_tfds(mnist_data_dir: str, lazily: Load) -> None:
    """Of a declared size, where those in memory are decoded by the thousand."""
    split = "test[990:1010]+test[-7:]"
    _same(lazily("mnist", split, mnist_data_dir), load_dataset("mnist", split, mnist_data_dir))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_an_archive_that_is_not_compressed(tmp_path: Path, lazily: Load, dtype: type) -> None:
    path = _npz(tmp_path, dtype)
    for settings in ({}, {"image_size": (6, 7)}):
        for split in ("train", "test[1:]+train[:4]"):
            _same(lazily(path, split, **settings), load_dataset(path, split, **settings))


def test_other_archives_stay_in_memory(tmp_path: Path, lazily: Load) -> None:
    images, labels = np.zeros((3, 4, 5, 1), np.uint8), np.zeros(3, int)
    np.savez_compressed(tmp_path / "small.npz", images=images, labels=labels)
    np.savez(tmp_path / "fortran.npz", images=np.asfortranarray(images), labels=labels)
    for name in ("small.npz", "fortran.npz"):
        assert isinstance(lazily(str(tmp_path / name), "test").images, np.ndarray)


def test_an_archive_larger_than_the_memory(
    tmp_path: Path, lazily: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "machine_memory", lambda: 1000)
    path = _npz(tmp_path)
    assert lazily(path, "train").images[13].shape == (8, 9, 3)
    with np.load(path) as arrays:
        np.savez_compressed(path, **arrays)
    with pytest.raises(InputError, match=r"mine\.npz holds 0 GB, more than this machine's memory"):
        lazily(path, "train")


def test_the_threshold_is_of_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _folder(tmp_path / "pets")
    size = 14 * 16 * 16 * 3 * 4
    for most, kind in ((size, np.ndarray), (size - 1, LazyImages)):
        monkeypatch.setattr(survey, "MOST_IN_MEMORY", most)
        assert isinstance(load_dataset(folder, "test", image_size=(16, 16)).images, kind)


def test_only_what_is_asked_for_is_decoded(
    tmp_path: Path, lazily: Load, decoded: list[int]
) -> None:
    for path, split, settings in (
        (_folder(tmp_path / "pets"), "test", {"image_size": (16, 16)}),
        (_tfds(tmp_path), "train", {"image_size": (16, 16)}),
        (_npz(tmp_path), "train", {}),
    ):
        decoded.clear()
        images = lazily(path, split, **settings).images
        assert set(decoded) == set(range(14))
        decoded.clear()
        _ = images[9:11], images[np.array([13, 2])], images[4]
        assert sorted(decoded) == [2, 4, 9, 10, 13]
        decoded.clear()
        part = part_of(part_of(images, slice(3, None)), np.array([0, 5]))
        assert isinstance(part, LazyImages) and not decoded
        np.testing.assert_array_equal(part[:], images[np.array([3, 8])])


def test_the_second_start_decodes_one_image_at_most(
    tmp_path: Path, lazily: Load, decoded: list[int]
) -> None:
    folder, directory, path = _folder(tmp_path / "pets"), _tfds(tmp_path), _npz(tmp_path)
    _damage(folder)
    for given in (
        (folder, "test", {"image_size": (16, 16)}),
        (directory, "train", {"image_size": (16, 16)}),
        (path, "train", {}),
    ):
        *named, settings = given
        first = lazily(*named, **settings)
        decoded.clear()
        second = lazily(*named, **settings)
        assert len(decoded) <= 1
        _same(second, dataclasses.replace(first, images=first.images[:]))


def test_a_cache_is_of_these_files_and_settings(
    tmp_path: Path, lazily: Load, decoded: list[int]
) -> None:
    folder = _folder(tmp_path / "pets")

    def passes(**settings: Any) -> bool:
        """Whether more than the first image is decoded, whose shape is always looked at."""
        decoded.clear()
        lazily(folder, "test", **settings)
        assert len(decoded) in (1, 15)
        return len(decoded) == 15

    assert passes(image_size=(16, 16)) and not passes(image_size=(16, 16))
    assert passes(image_size=(16, 17)) and passes(image_size=(16, 16), short_side=30)
    photo = Path(folder) / "a/00.png"
    time = photo.stat().st_mtime_ns
    os.utime(photo, ns=(time, time + 1))
    assert passes(image_size=(16, 16))
    os.utime(photo, ns=(time, time))
    assert not passes(image_size=(16, 16))
    photo.rename(photo.with_name("01.png"))
    assert passes(image_size=(16, 16))


def test_memory_is_that_of_a_batch(tmp_path: Path, lazily: Load) -> None:
    count, side = 200, 48
    images = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)
    np.savez(tmp_path / "many.npz", images=images, labels=np.zeros(count, int))
    del images
    tracemalloc.start()
    found = lazily(str(tmp_path / "many.npz"), "test").images
    kept = tracemalloc.get_traced_memory()[0]
    for batch in found.batches(5):
        assert len(batch) == 5
    del batch
    left, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.nbytes == count * side * side * 3 * 4
    assert peak < 0.5 * found.nbytes  # a few threads read a few images ahead
    assert left - kept < 0.01 * found.nbytes


@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "other", "directory"])
def test_a_damaged_cache_is_not_believed(
    tmp_path: Path,
    lazily: Load,
    cache: Path,
    damage: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = _folder(tmp_path / "pets")
    expected = lazily(folder, "test", image_size=(16, 16))
    (file,) = cache.iterdir()
    content = file.read_bytes()
    if damage == "cut":
        file.write_bytes(content[:-30])
    elif damage == "flipped":
        # A byte of the fingerprint itself, which a zip archive stores as it is.
        place = content.index(bytes.fromhex(expected.fingerprint))
        file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    elif damage == "text":
        file.write_text("{}")
    elif damage == "other":
        lazily(folder, "test[:5]", image_size=(16, 16))
        (other,) = set(cache.iterdir()) - {file}
        file.write_bytes(other.read_bytes())
    else:
        file.unlink()
        file.mkdir()
    with caplog.at_level(logging.WARNING, logger="absl"):
        found = lazily(folder, "test", image_size=(16, 16))
    assert any("it is computed anew" in message for message in caplog.messages)
    _same(found, dataclasses.replace(expected, images=expected.images[:]))
    assert file.is_dir() or file.read_bytes() == content


def test_a_cache_that_cannot_be_written_is_said(
    tmp_path: Path, lazily: Load, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache.write_text("a file")
    with caplog.at_level(logging.WARNING, logger="absl"):
        found = lazily(_npz(tmp_path), "train")
    assert isinstance(found.images, LazyImages)
    assert any("set TFBLINDSPOTS_CACHE_DIR to a directory" in text for text in caplog.messages)


def test_a_full_disk_is_named_as_why_the_cache_is_not_written(
    tmp_path: Path,
    lazily: Load,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(*arguments: object, **arrays: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = _npz(tmp_path)
    monkeypatch.setattr(np, "savez", full)
    with caplog.at_level(logging.WARNING, logger="absl"):
        lazily(path, "train")
    assert caplog.messages
    for text in caplog.messages:
        assert "cannot be written (No space left on device), so that the next start" in text


def test_what_killed_processes_left_in_the_cache_is_removed_after_a_day(
    tmp_path: Path, lazily: Load, cache: Path
) -> None:
    cache.mkdir()
    names = (".survey-0.npz.0123abcd.tmp", ".survey-1.npz.0123abcd.tmp", "theirs.npz")
    for name, hours in zip(names, (25, 23, 999), strict=True):
        (cache / name).write_text("half")
        os.utime(cache / name, times=(0, time.time() - 3600 * hours))
    lazily(_npz(tmp_path), "train")
    assert [name for name in names if (cache / name).exists()] == list(names[1:])


@pytest.mark.parametrize("large", [True, False])
def test_a_disk_that_fails_for_a_moment_loses_no_photo(
    tmp_path: Path, lazily: Load, cache: Path, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    folder = _folder(tmp_path / "pets")
    load = lazily if large else load_dataset
    read = Path.read_bytes
    # The first photo, whose size is looked at, and one in the middle of the pass.
    for name in ("a/00.png", "a/04.jpg"):
        for number in (errno.EMFILE, errno.EIO, errno.ESTALE, errno.EACCES, errno.ENOENT):

            def fail(self: Path, name: str = name, number: int = number) -> bytes:
                if self.as_posix().endswith(name):
                    raise OSError(number, os.strerror(number))
                return read(self)

            message = rf"{name} cannot be read \({os.strerror(number)}\); expected a file that can"
            with monkeypatch.context() as patch:
                patch.setattr(Path, "read_bytes", fail)
                with pytest.raises(InputError, match=message):
                    load(folder, "test", image_size=(16, 16))
            assert not list(cache.glob("*"))
    found = load(folder, "test", image_size=(16, 16))
    assert len(found.images) == 14 and not found.skipped


def test_splits_that_take_the_same_places_of_other_arrays_are_told_apart(
    tmp_path: Path, lazily: Load
) -> None:
    path = _npz(tmp_path)
    for split in ("train[:2]+test[:2]+train[2:4]", "train[:2]+test[:2]+test[2:4]"):
        _same(lazily(path, split), load_dataset(path, split))


def test_keys_of_arrays_say_where_each_ends_and_of_what_it_is() -> None:
    numbers = np.arange(4)
    settings: list[tuple[object, ...]] = [
        (numbers,),
        (numbers[:2], numbers[2:]),
        (numbers[:1], numbers[1:]),
        (numbers.reshape(2, 2),),
        (numbers.view(np.uint64),),
        (numbers[::-1],),
    ]
    assert len({key_of_files([], *some) for some in settings}) == len(settings)
    assert key_of_files([], numbers[::2]) == key_of_files([], numbers[::2].copy())


def test_files_that_vanish_or_change_are_one_line(tmp_path: Path, lazily: Load) -> None:
    end = r"; expected the data as it was\. Copy it there again and rerun the same command: what is"
    folder = _folder(tmp_path / "pets")
    images = lazily(folder, "test", image_size=(16, 16)).images
    photo = Path(folder) / "a/04.jpg"
    content, state = photo.read_bytes(), photo.stat()
    # The same size and time, as of a disk that fails.
    photo.write_bytes(content[:-50] + bytes(50))
    os.utime(photo, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(InputError, match=rf"a/04\.jpg has been changed or damaged since .*{end}"):
        images[:]
    photo.unlink()
    with pytest.raises(InputError, match=rf"a/04\.jpg cannot be read any more \(No such .*{end}"):
        images[:]
    assert images[:2].shape == (2, 16, 16, 3)
    photo.write_bytes(content)
    assert images[:].shape == (14, 16, 16, 3)

    images = lazily(_tfds(tmp_path), "train", image_size=(16, 16)).images
    shard = sorted(tmp_path.glob("tiny/1.0.0/*tfrecord*"))[1]
    content = shard.read_bytes()
    shard.write_bytes(content[:-200])
    message = r"example \d of .*00001-of-00003 cannot be read any more \(the file is cut off\)"
    with pytest.raises(InputError, match=message):
        images[:]
    shard.write_bytes(content)

    path = _npz(tmp_path)
    images = lazily(path, "train").images
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[:1000])
    with pytest.raises(InputError, match=r"x_train\[\d\] of .*mine\.npz cannot be read any more"):
        images[:]


def test_what_is_damaged_at_first_is_refused(tmp_path: Path, lazily: Load) -> None:
    directory = _tfds(tmp_path)
    shard = sorted(Path(directory).glob("*tfrecord*"))[1]
    content = shard.read_bytes()
    message = r"00001-of-00003 cannot be read \(.*\); expected a file that TensorFlow Datasets wro"
    for damaged in (content[:-9], content[:50] + b"?" + content[51:], b""):
        shard.write_bytes(damaged)
        with pytest.raises(InputError, match=message):
            lazily(directory, "train", image_size=(16, 16))
    shard.unlink()
    with pytest.raises(InputError, match=message):
        lazily(directory, "train", image_size=(16, 16))
    path = Path(_npz(tmp_path))
    content = path.read_bytes()
    path.write_bytes(content[:1000] + b"?" + content[1001:])
    with pytest.raises(InputError, match=r"x_train of .*mine\.npz cannot be read \(Bad CRC-32"):
        lazily(str(path), "train")


def test_images_of_several_sizes_are_refused(tmp_path: Path, lazily: Load) -> None:
    message = r"pets has images of different sizes \(.*\); expected one size\. Give --image_size"
    with pytest.raises(InputError, match=message):
        lazily(_folder(tmp_path / "pets"), "test")


def test_classes_of_images_that_are_read_when_needed(
    tmp_path: Path, lazily: Load, decoded: list[int]
) -> None:
    path = _npz(tmp_path)
    for find in (
        lambda dataset: one_against_rest(dataset, "0"),
        lambda dataset: only_class(dataset, "1"),
        lambda dataset: only_class(one_against_rest(dataset, "0"), "rest"),
    ):
        found = find(lazily(path, "train"))
        _same(found, find(load_dataset(path, "train")))
        assert found.fingerprint == fingerprint_arrays(found.images[:], found.labels)
        loaded = lazily(path, "train")
        decoded.clear()
        assert find(loaded).fingerprint == found.fingerprint
        assert not decoded


def test_all_at_once_only_where_asked_for(
    tmp_path: Path, lazily: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = lazily(_npz(tmp_path), "train")
    expected = load_dataset(_npz(tmp_path), "train").images
    assert in_memory(expected, "training") is expected
    np.testing.assert_array_equal(in_memory(dataset.images, "training"), expected)
    with pytest.raises(TypeError, match="read when they are needed: index them, or in_memory"):
        np.asarray(dataset.images)
    monkeypatch.setattr(lazy_images_module, "_LARGEST_PART", 1e-9)
    message = r"^training needs all 14 images in memory, 0\.0 GB of .*; expected at most half of it"
    with pytest.raises(InputError, match=message):
        in_memory(dataset.images, "training")
