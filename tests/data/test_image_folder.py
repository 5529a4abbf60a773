"""Folders of photos: what is read, in which order, what is skipped, what is refused."""

import logging
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from tfblindspots.data import load_dataset
from tfblindspots.errors import InputError


def _photo(path: Path, seed: int, mode: str = "RGB", size: tuple[int, int] = (6, 5)) -> np.ndarray:
    """Writes a random photo, height and width given, and returns its pixels as stored."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    image = PIL.Image.fromarray(pixels).convert(mode)
    image.save(path)
    return np.asarray(image)


def test_classes_are_folders_and_photos_come_sorted(tmp_path: Path) -> None:
    pixels = {
        name: _photo(tmp_path / "pets" / name, seed)
        for seed, name in enumerate(["dog/b.png", "cat/2.bmp", "cat/10.png", "dog/a.png"])
    }
    (tmp_path / "pets/.DS_Store").write_bytes(b"x")
    (tmp_path / "pets/cat/.hidden").write_bytes(b"x")
    (tmp_path / "pets/.git").mkdir()
    (tmp_path / "pets/index.csv").write_text("a table beside the folders")
    dataset = load_dataset(str(tmp_path / "pets"), "test")
    assert (dataset.name, dataset.split, dataset.source_split) == ("pets", "test", "test")
    assert dataset.class_names == ("cat", "dog") and dataset.num_classes == 2
    assert dataset.labels.tolist() == [0, 0, 1, 1] and dataset.labels.dtype == np.int64
    order = ["cat/10.png", "cat/2.bmp", "dog/a.png", "dog/b.png"]
    expected = np.stack([pixels[name] for name in order]) / np.float32(255)
    np.testing.assert_array_equal(dataset.images, expected)
    assert dataset.skipped == ()
    part = load_dataset(str(tmp_path / "pets"), "test[1:3]")
    np.testing.assert_array_equal(part.images, expected[1:3])
    assert part.indices.tolist() == [1, 2]


def test_folders_of_splits(tmp_path: Path) -> None:
    """Classes are numbered over all splits, or a class that one lacks would shift the others."""
    _photo(tmp_path / "train/ant/1.png", 1)
    _photo(tmp_path / "train/bee/1.png", 2)
    expected = _photo(tmp_path / "val/bee/7.png", 3)
    (tmp_path / "val/readme.txt").write_text("not a class")
    dataset = load_dataset(str(tmp_path), "val")
    np.testing.assert_array_equal(dataset.images[0], expected / np.float32(255))
    assert dataset.labels.tolist() == [1]
    assert load_dataset(str(tmp_path), "train").labels.tolist() == [0, 1]
    with pytest.raises(InputError, match=r"has no split 'test'; expected one of train \(2\), val"):
        load_dataset(str(tmp_path), "test")


def test_photos_that_cannot_be_decoded_are_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = {i: _photo(tmp_path / f"pets/cat/{i}.jpg", i, size=(40, 40)) for i in (0, 1, 3)}
    cut = (tmp_path / "pets/cat/1.jpg").read_bytes()[:-300]
    (tmp_path / "pets/cat/1.jpg").write_bytes(cut)
    (tmp_path / "pets/cat/2.jpg").write_text("no photo")
    (tmp_path / "pets/dog").mkdir()
    (tmp_path / "pets/dog/empty.png").write_bytes(b"")
    (tmp_path / "pets/dog/gone.png").symlink_to(tmp_path / "nowhere.png")
    _photo(tmp_path / "pets/dog/good.png", 9, size=(40, 40))
    with caplog.at_level(logging.WARNING, logger="absl"):
        dataset = load_dataset(str(tmp_path / "pets"), "test")
    assert dataset.skipped == ("cat/1.jpg", "cat/2.jpg", "dog/empty.png", "dog/gone.png")
    assert caplog.messages == [
        "Skipped 4 of 7 photos of pets, which cannot be decoded: cat/1.jpg, cat/2.jpg, "
        "dog/empty.png, dog/gone.png."
    ]
    assert dataset.indices.tolist() == [0, 3, 6]
    assert dataset.labels.tolist() == [0, 0, 1]
    assert np.abs(dataset.images[1] * 255 - whole[3]).mean() < 80  # the JPEG of that very noise
    other = load_dataset(str(tmp_path / "pets"), "test[3:5]")
    np.testing.assert_array_equal(other.images[0], dataset.images[1])
    assert other.skipped == ("dog/empty.png",)


def test_an_empty_class_folder_is_a_class_and_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "pets/ant").mkdir(parents=True)
    _photo(tmp_path / "pets/cat/0.png", 0, size=(40, 40))
    with caplog.at_level(logging.WARNING, logger="absl"):
        dataset = load_dataset(str(tmp_path / "pets"), "test")
    assert caplog.messages == [f"The class folder {tmp_path / 'pets/ant'} is empty."]
    assert (dataset.class_names, dataset.labels.tolist()) == (("ant", "cat"), [1])


def test_photos_of_all_kinds_become_rgb_of_one_size(tmp_path: Path) -> None:
    kinds = [("a.png", "L"), ("b.png", "LA"), ("c.png", "RGBA"), ("d.png", "P"), ("e.gif", "RGB")]
    pixels = [
        _photo(tmp_path / "all" / "x" / name, i, mode) for i, (name, mode) in enumerate(kinds)
    ]
    dataset = load_dataset(str(tmp_path / "all"), "test", image_size=(6, 5))
    assert dataset.images.shape == (5, 6, 5, 3)
    expected = [np.repeat(pixels[0][..., None], 3, 2), pixels[1][..., :1].repeat(3, 2)]
    expected.append(pixels[2][..., :3])
    np.testing.assert_array_equal(dataset.images[:3], np.stack(expected) / np.float32(255))
    with pytest.raises(InputError, match=r"sizes \(\(6, 5, 1\) and \(6, 5, 3\)\); expected one si"):
        load_dataset(str(tmp_path / "all"), "test")


def test_rejects_what_is_no_folder_of_photos(tmp_path: Path) -> None:
    (tmp_path / "loose.png").write_bytes(b"x")
    with pytest.raises(
        InputError, match=r"has neither sub-folders nor a dataset_info.json; expect"
    ):
        load_dataset(str(tmp_path), "test")
    (tmp_path / "cat").mkdir()
    (tmp_path / "dog").mkdir()
    with pytest.raises(
        InputError, match=r"split 'test' of .* selects no images; expected one of t"
    ):
        load_dataset(str(tmp_path), "test")
    (tmp_path / "cat" / "1.png").write_bytes(b"x")
    (tmp_path / "cat" / "2.png").write_bytes(b"x")
    message = r"^none of 2 files can be decoded as an image, the first being .*cat/1\.png; expected"
    with pytest.raises(InputError, match=message):
        load_dataset(str(tmp_path), "test")
    (tmp_path / "cat" / "kittens").mkdir()
    with pytest.raises(InputError, match="cat holds folders and dog does not; expected one sub-"):
        load_dataset(str(tmp_path), "test")
    (tmp_path / "dog" / "puppies" / "small").mkdir(parents=True)
    with pytest.raises(InputError, match=r"the class folder .*puppies holds the folder small; exp"):
        load_dataset(str(tmp_path), "test")
