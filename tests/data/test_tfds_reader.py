"""Directories as TFDS writes them, of several shards and of unusual features."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from tfblindspots.data import load_dataset
from tfblindspots.data.download import quietly
from tfblindspots.errors import InputError

_LABEL = tfds.features.ClassLabel(names=["a", "b"])
_RGB = {"image": tfds.features.Image(shape=(6, 5, 3)), "label": _LABEL}


def write_dataset(
    directory: Path, examples: list[dict[str, Any]], features: dict[str, Any], num_shards: int = 1
) -> str:
    """Writes a dataset ``tiny`` with the split ``train`` and returns its directory."""
    with tfds.core.registered.skip_registration():

        class Tiny(tfds.core.GeneratorBasedBuilder):
            VERSION = tfds.core.Version("1.0.0")

            def _info(self) -> tfds.core.DatasetInfo:
                return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

            def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
                return {"train": enumerate(examples)}

            def _generate_examples(self) -> None:
                raise NotImplementedError

    builder = Tiny(data_dir=directory)
    config = tfds.download.DownloadConfig(num_shards=num_shards)
    with quietly():
        builder.download_and_prepare(download_config=config)
    return str(builder.data_path)


def _rgb_examples(count: int) -> list[dict[str, Any]]:
    images = np.random.default_rng(7).integers(0, 256, (count, 6, 5, 3), np.uint8)
    return [{"image": image, "label": number % 2} for number, image in enumerate(images)]


def test_images_come_shard_by_shard_in_file_order(tmp_path: Path) -> None:
    directory = write_dataset(tmp_path, _rgb_examples(50), _RGB, num_shards=4)
    dataset = load_dataset(directory, "train")
    files = sorted(map(str, Path(directory).glob("*.tfrecord*")))
    assert len(files) == 4
    features = tfds.builder_from_directory(directory).info.features
    stored = [
        features.deserialize_example_np(record.numpy()) for record in tf.data.TFRecordDataset(files)
    ]
    expected = np.stack([example["image"] for example in stored]) / np.float32(255)
    np.testing.assert_array_equal(dataset.images, expected)
    np.testing.assert_array_equal(dataset.labels, [example["label"] for example in stored])
    part = load_dataset(directory, "train[11:31]")
    np.testing.assert_array_equal(part.images, dataset.images[11:31])
    assert part.indices.tolist() == list(range(11, 31))
    assert (part.name, part.num_classes, part.class_names) == ("tiny", 2, ("a", "b"))


def test_float_images_are_taken_as_they_are(tmp_path: Path) -> None:
    features = {**_RGB, "image": tfds.features.Tensor(shape=(2, 2, 1), dtype=np.float32)}
    image = np.array([[[0.1], [0.0]], [[1.0], [0.7]]], np.float32)
    directory = write_dataset(tmp_path, [{"image": image, "label": 1}], features)
    np.testing.assert_array_equal(load_dataset(directory, "train").images, image[np.newaxis])


def test_images_without_a_declared_size_may_have_one(tmp_path: Path) -> None:
    features = {**_RGB, "image": tfds.features.Image(shape=(None, None, 3))}
    directory = write_dataset(tmp_path, _rgb_examples(3), features)
    assert load_dataset(directory, "train").images.shape == (3, 6, 5, 3)


def test_rejects_images_of_different_sizes(tmp_path: Path) -> None:
    features = {**_RGB, "image": tfds.features.Image(shape=(None, None, 3))}
    small = {"image": np.zeros((4, 4, 3), np.uint8), "label": 0}
    directory = write_dataset(tmp_path, [*_rgb_examples(3), small], features)
    message = r"tiny has images of different sizes \(.*\); expected one size. Give --image_size"
    with pytest.raises(InputError, match=message):
        load_dataset(directory, "train")


def test_photos_of_different_sizes_become_one_size(tmp_path: Path) -> None:
    """With a short side that the photos have, nothing but the middle is taken, byte for byte."""
    generator = np.random.default_rng(1)
    shapes = [(8, 11, 3), (9, 8, 3), (8, 8, 3), (20, 8, 3)]
    photos = [generator.integers(0, 256, shape, np.uint8) for shape in shapes]
    examples = [{"image": photo, "label": i % 2} for i, photo in enumerate(photos)]
    features = {**_RGB, "image": tfds.features.Image(shape=(None, None, 3))}
    directory = write_dataset(tmp_path, examples, features)
    order = load_dataset(directory, "train", image_size=(5, 5), short_side=8)
    crops = [tf.image.resize_with_crop_or_pad(photo, 5, 5).numpy() / 255 for photo in photos]
    expected = np.stack(crops).astype(np.float32)
    found = [np.flatnonzero((expected == image).all(axis=(1, 2, 3))) for image in order.images]
    assert sorted(np.concatenate(found).tolist()) == [0, 1, 2, 3]  # TFDS wrote them in its order
    assert order.labels.tolist() == [number[0] % 2 for number in found]


def test_rejects_float_images_out_of_range(tmp_path: Path) -> None:
    features = {**_RGB, "image": tfds.features.Tensor(shape=(1, 1, 1), dtype=np.float32)}
    example = {"image": np.full((1, 1, 1), 255, np.float32), "label": 1}
    directory = write_dataset(tmp_path, [example], features)
    with pytest.raises(InputError, match=r"tiny has float32 images from 255 to 255; expected \[0,"):
        load_dataset(directory, "train")


@pytest.mark.parametrize(
    ("features", "example", "message"),
    [
        (
            {"image": _RGB["image"], "digit": _LABEL},
            {"image": np.zeros((6, 5, 3), np.uint8), "digit": 0},
            "tiny has the features digit, image; expected an 'image' and a 'label' that is a Class",
        ),
        (
            {"image": _RGB["image"], "label": tfds.features.Scalar(np.int64)},
            {"image": np.zeros((6, 5, 3), np.uint8), "label": 0},
            "tiny has the features image, label; expected an 'image' and a 'label' that is a Class",
        ),
        (
            {"image": tfds.features.Tensor(shape=(4,), dtype=np.uint8), "label": _LABEL},
            {"image": np.zeros(4, np.uint8), "label": 0},
            r"tiny has images of shape \(4,\) and type uint8; expected \[height, width, channels\]",
        ),
        (
            {"image": tfds.features.Image(shape=(2, 2, 1), dtype=np.uint16), "label": _LABEL},
            {"image": np.zeros((2, 2, 1), np.uint16), "label": 0},
            r"tiny has images of shape \(2, 2, 1\) and type uint16; expected \[height, width",
        ),
    ],
)
def test_rejects_features(
    tmp_path: Path, features: dict[str, Any], example: dict[str, Any], message: str
) -> None:
    directory = write_dataset(tmp_path, [example], features)
    with pytest.raises(InputError, match=message):
        load_dataset(directory, "train")


def test_no_module_is_imported_that_a_directory_names(tmp_path: Path) -> None:
    directory = Path(write_dataset(tmp_path / "data", _rgb_examples(2), _RGB))
    features = (directory / "features.json").read_text()
    named = "tensorflow_datasets.core.features.class_label_feature.ClassLabel"
    assert named in features
    (directory / "features.json").write_text(features.replace(named, "evil_features.Label"))
    message = (
        r"has a feature of the class evil_features\.Label, whose code would be run; expected f"
    )
    with pytest.raises(InputError, match=message):
        load_dataset(str(directory), "train")


@pytest.mark.parametrize("file", ["features.json", "dataset_info.json"])
def test_damaged_metadata_are_one_line(tmp_path: Path, file: str) -> None:
    directory = Path(write_dataset(tmp_path, _rgb_examples(2), _RGB))
    for content in ("{", "[]", "5", '{"type": 5}', '{"name": []}', '{"pythonClassName": "x"'):
        (directory / file).write_text(content)
        with pytest.raises(InputError, match=r"cannot be read \(.*\); expected|is not valid JSON"):
            load_dataset(str(directory), "train")
