"""Which names and paths lead to which data, and what is said of those that lead nowhere."""

import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.data import DATASETS, load_dataset
from tfblindspots.errors import InputError

# The label counts that are published with MNIST.
_MNIST_TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_mnist_by_name(mnist_data_dir: str) -> None:
    dataset = load_dataset("mnist", "test", mnist_data_dir)
    assert dataset.name == "mnist"
    assert dataset.images.shape == (10000, 28, 28, 1)
    assert dataset.images.dtype == np.float32
    # All 256 grey levels and nothing between them.
    np.testing.assert_array_equal(
        np.unique(dataset.images), np.arange(256, dtype=np.float32) / np.float32(255)
    )
    assert dataset.labels.dtype == np.int64
    assert np.bincount(dataset.labels).tolist() == _MNIST_TEST_COUNTS
    np.testing.assert_array_equal(dataset.indices, np.arange(10000))
    assert dataset.num_classes == 10
    assert dataset.class_names == tuple("0123456789")
    assert dataset.source_split == "test"


def test_parts_of_mnist_are_the_images_at_their_indices(mnist_data_dir: str) -> None:
    whole = load_dataset("mnist", "test", mnist_data_dir)
    part = load_dataset("mnist", "test[10%:12%]+test[:3]+test[-2:]", mnist_data_dir)
    expected = [*range(1000, 1200), 0, 1, 2, 9998, 9999]
    assert part.indices.tolist() == expected
    np.testing.assert_array_equal(part.images, whole.images[expected])
    np.testing.assert_array_equal(part.labels, whole.labels[expected])
    assert part.source_split == "test"


def test_a_directory_is_what_its_name_gives(mnist_data_dir: str) -> None:
    by_path = load_dataset(f"{mnist_data_dir}/mnist/3.0.1", "test[:20]")
    by_name = load_dataset("mnist:3.0.1", "test[:20]", mnist_data_dir)
    assert by_path.name == by_name.name == "mnist"
    assert by_path.fingerprint == by_name.fingerprint


def test_the_registry_takes_new_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, "numerals", DATASETS["digits"])
    assert len(load_dataset("numerals", "test").images) == 360


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mnst", r"dataset 'mnst' is unknown \(did you mean mnist or .*\?\); expected digits, a"),
        ("photos", r"dataset 'photos' is unknown; expected digits, a"),
        ("digit", r"dataset 'digit' is unknown \(did you mean digits"),
        ("qqqqqqqqqqqq", r"dataset 'qqqqqqqqqqqq' is unknown; expected digits, a TensorFlow"),
        ("not a name", r"dataset 'not a name' cannot be used: .*; expected a TensorFlow Datasets"),
        ("mnist:99.0.0", r"dataset 'mnist:99.0.0' cannot be used: .*99\.0\.0"),
        ("/nowhere/at/all", r"dataset directory /nowhere/at/all does not exist; expected a fol"),
        ("ag_news_subset", r"ag_news_subset has the features .*; expected an 'image' and a 'lab"),
    ],
)
def test_rejects_names(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_dataset(name, "train", str(tmp_path))
    assert "\n" not in str(caught.value)
    assert not any(tmp_path.iterdir())


def test_rejects_a_directory_without_a_dataset(tmp_path: Path) -> None:
    message = rf"{re.escape(str(tmp_path))} has neither sub-folders nor a dataset_info.json; expe"
    with pytest.raises(InputError, match=message):
        load_dataset(str(tmp_path), "train")


def test_a_bare_name_of_tfds_is_not_a_folder_that_happens_to_be_called_so(
    mnist_data_dir: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mnist" / "a class").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert load_dataset("mnist", "test[:3]", mnist_data_dir).name == "mnist"
    with pytest.raises(InputError, match="split 'test' of mnist selects no images"):
        load_dataset("./mnist", "test")


def test_images_with_names_are_framed_too() -> None:
    plain, framed = (load_dataset("digits", "test[:4]", image_size=size) for size in (None, (6, 6)))
    expected = tf.image.resize(plain.images, (7, 7), antialias=True)[:, :6, :6]
    np.testing.assert_allclose(framed.images, expected, atol=1e-6)
    assert framed.fingerprint != plain.fingerprint
    same = load_dataset("digits", "test[:4]", image_size=(8, 8))
    assert same.fingerprint == plain.fingerprint


def test_short_side_needs_an_image_size() -> None:
    with pytest.raises(InputError, match=r"^short_side is given without image_size, the crop that"):
        load_dataset("digits", "test", short_side=9)


def test_suggests_the_version_inside_a_directory(mnist_data_dir: str) -> None:
    with pytest.raises(InputError, match=r"no dataset_info.json; did you mean .*/mnist/3\.0\.1\?"):
        load_dataset(f"{mnist_data_dir}/mnist", "test")
