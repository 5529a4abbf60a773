"""The Embedding Projector's files, read back as TensorBoard does."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorboard.plugins.projector import ProjectorConfig
from tensorboard.plugins.projector.projector_plugin import _read_tensor_tsv_file

from tfblindspots.reports.projector import most_points, write_projector


def _write(directory: Path, images: np.ndarray, vectors: np.ndarray) -> ProjectorConfig:
    count = len(images)
    facts = {"index": range(count), "name": ["a\tb", " <b>c</b>\n", *"x" * (count - 2)]}
    write_projector(directory, "set layer", vectors, images, facts)
    text = (directory / "projector_config.pbtxt").read_text()
    (embedding,) = text_format.Parse(text, ProjectorConfig()).embeddings
    assert embedding.tensor_name == "set layer"
    assert list(embedding.tensor_shape) == list(vectors.shape)
    return embedding


def test_vectors_facts_and_sprite(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    images = generator.random((7, 5, 6, 3), np.float32)
    # Zeros, and numbers whose bytes would be text: what a binary file of them is mistaken for.
    vectors = np.concatenate([np.zeros((1, 9)), generator.normal(size=(6, 9))]).astype(np.float32)
    embedding = _write(tmp_path, images, vectors)
    found = _read_tensor_tsv_file(str(tmp_path / embedding.tensor_path))
    np.testing.assert_array_equal(found, vectors)
    rows = (tmp_path / embedding.metadata_path).read_text().splitlines()
    assert rows[:3] == ["index\tname", "0\ta b", "1\t<b>c</b>"]
    assert len(rows) == 1 + 7
    assert list(embedding.sprite.single_image_dim) == [6, 5]  # width first
    sprite = tf.io.decode_png((tmp_path / embedding.sprite.image_path).read_bytes()).numpy()
    assert sprite.shape == (3 * 5, 3 * 6, 3)
    for k, image in enumerate(images):
        top, left = k // 3 * 5, k % 3 * 6
        np.testing.assert_array_equal(
            sprite[top : top + 5, left : left + 6], np.rint(255 * image).astype(np.uint8)
        )


def test_large_images_are_shrunk_by_averaging(tmp_path: Path) -> None:
    images = np.zeros((2, 128, 64, 1), np.float32)
    images[1, :, ::2] = 1
    embedding = _write(tmp_path, images, np.zeros((2, 3), np.float32))
    assert list(embedding.sprite.single_image_dim) == [32, 64]
    sprite = tf.io.decode_png((tmp_path / "sprite.png").read_bytes()).numpy()
    assert sprite.shape == (64, 64, 1)
    assert (sprite[:, :32] == 0).all()
    assert (sprite[:, 32:] == 128).all()


def test_images_of_other_channels_have_no_sprite(tmp_path: Path) -> None:
    embedding = _write(tmp_path, np.zeros((2, 4, 4, 2), np.float32), np.zeros((2, 3), np.float32))
    assert not embedding.HasField("sprite")
    assert not (tmp_path / "sprite.png").exists()


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((8, 8, 1), 100, 10_000),
        ((227, 227, 3), 1000, 10_000),
        ((8, 8, 1), 5000, 2_000),
        ((8, 8, 1), 10**8, 2),
    ],
)
def test_most_points_fit(shape: tuple[int, int, int], size: int, expected: int) -> None:
    assert most_points(shape, size) == expected
