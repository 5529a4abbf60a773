"""The files by which TensorBoard's Embedding Projector shows vectors, their images and facts."""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfblindspots.reports.mosaics import mosaic

VECTORS, METADATA, SPRITE = "vectors.tsv", "metadata.tsv", "sprite.png"
CONFIG = "projector_config.pbtxt"
# The largest picture that TensorBoard takes (a browser's texture), pixels a side.
_SPRITE_SIDE = 8192
# Larger images are shrunk: a point in the projector is not drawn larger than this.
_THUMBNAIL = 64
# The projector draws more points, but its t-SNE takes 10,000 at most; beyond so many numbers a
# browser is slow to load and to turn.
_POINTS = 10_000
_NUMBERS = 10_000_000


def most_points(image_shape: Sequence[int], size: int) -> int:
    """How many vectors the projector can show.

    Args:
      image_shape: height, width, channels of their images.
      size: of a vector.
    """
    height, width = _thumbnail_size(image_shape)
    tiles = (_SPRITE_SIDE // max(height, width)) ** 2
    return max(2, min(_POINTS, tiles, _NUMBERS // size))


def write_projector(
    directory: str | os.PathLike[str],
    name: str,
    vectors: np.ndarray,
    images: np.ndarray,
    facts: Mapping[str, Sequence[object]],
) -> None:
    """Writes vectors, a sprite of their images and a table of facts, and the file that joins them.

    Args:
      directory: a run of TensorBoard.
      name: of the vectors.
      vectors: float32 [N, n], N at most ``most_points``.
      images: float32 [N, H, W, C] in [0, 1], C 1 or 3; of any other channels there is no sprite.
      facts: of each kind, at least two of them, N values. Tabs and ends of lines become spaces,
        since they separate; TensorBoard has no way to quote them.
    """
    # Imported here, since only who asks for it must have it.
    from tensorboard.plugins import projector

    place = Path(directory)
    # As text, since TensorBoard tells binary files by bytes that are no text, which may be absent.
    # Nine digits are every bit of a float32.
    np.savetxt(place / VECTORS, vectors, fmt="%.9g", delimiter="\t")
    rows = [list(facts), *zip(*facts.values(), strict=True)]
    lines = ["\t".join(" ".join(str(value).split()) for value in row) for row in rows]
    (place / METADATA).write_text("\n".join(lines) + "\n", encoding="utf-8")
    config: Any = projector.ProjectorConfig()
    embedding = config.embeddings.add()
    embedding.tensor_name = name
    embedding.tensor_path = VECTORS
    embedding.tensor_shape.extend(vectors.shape)
    embedding.metadata_path = METADATA
    if images.shape[-1] in (1, 3):
        thumbnails = _thumbnails(images)
        tf.io.write_file(str(place / SPRITE), tf.io.encode_png(mosaic(thumbnails)))
        embedding.sprite.image_path = SPRITE
        height, width = thumbnails.shape[1:3]
        embedding.sprite.single_image_dim.extend([width, height])
    projector.visualize_embeddings(str(place), config)


def _thumbnail_size(image_shape: Sequence[int]) -> tuple[int, int]:
    height, width = image_shape[:2]
    factor = min(1.0, _THUMBNAIL / max(height, width))
    return max(1, math.floor(height * factor)), max(1, math.floor(width * factor))


def _thumbnails(images: np.ndarray) -> np.ndarray:
    """Images as uint8 [N, h, w, C], shrunk by averaging where they are large."""
    size = _thumbnail_size(images.shape[1:])
    if size != images.shape[1:3]:
        images = tf.image.resize(images, size, method="area").numpy()
    return np.rint(255 * np.clip(images, 0, 1)).astype(np.uint8)
