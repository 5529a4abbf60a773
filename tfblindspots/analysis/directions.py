"""Directions in a layer's activation space, and the images that lie farthest along each.

The paper (section 3) compares the natural basis, whose directions are a layer's units, with a
random one.
"""

from collections.abc import Callable, Iterator

import numpy as np
from sklearn.decomposition import PCA

from tfblindspots.data import Images
from tfblindspots.errors import InputError

# Images at a time, which bounds the memory that a large layer's activations take.
_BATCH = 500
# What whitening takes the covariance from, and in how many of its leading components it is
# inverted: the others are little more than the noise of estimating them.
_WHITENING_IMAGES = 2000
_WHITENING_COMPONENTS = 200

Activations = Callable[[Images], np.ndarray]  # images [B, H, W, C] -> float32 [B, n]


def unit_directions(units: np.ndarray, size: int) -> np.ndarray:
    """The natural basis: the directions e_i of single units.

    Args:
      units: their numbers, integers [D] in 0..n - 1.
      size: n, units of the layer.

    Returns:
      float32 [D, n].
    """
    directions = np.zeros((len(units), size), np.float32)
    directions[np.arange(len(units)), units] = 1
    return directions


def random_directions(count: int, size: int, seed: int) -> np.ndarray:
    """Directions v drawn uniformly from the unit sphere.

    Args:
      count: D.
      size: n, units of the layer.
      seed: of the draw, at least 0.

    Returns:
      float32 [D, n], each of norm 1.
    """
    drawn = np.random.default_rng(seed).standard_normal((count, size), np.float32)
    return _normalized(drawn)


def whitened_directions(
    activations: Activations, images: Images, count: int, seed: int
) -> np.ndarray:
    """Directions that are random after whitening, along which activations vary alike.

    Where activations are correlated, as all are, a random direction mostly follows the few leading
    principal components; in whitened space every component has an equal part in it. A direction g
    there is the direction U L^(-1/2) g here, where U holds the principal components and L their
    variances.

    Args:
      activations: of the layer.
      images: float32 [N, H, W, C], N at least 2; the covariance is that of the first 2,000.
      count: D.
      seed: of the draw, at least 0.

    Returns:
      float32 [D, n], each of norm 1.
    """
    sample = activations(images[:_WHITENING_IMAGES])
    components = min(_WHITENING_COMPONENTS, sample.shape[1], len(sample) - 1)
    found = PCA(components, random_state=seed).fit(sample)
    kept = found.explained_variance_ > 1e-6 * found.explained_variance_[0]
    inverse_root = found.components_[kept] / np.sqrt(found.explained_variance_[kept])[:, None]
    drawn = np.random.default_rng(seed).standard_normal((count, int(kept.sum())), np.float32)
    return _normalized((drawn @ inverse_root).astype(np.float32))


def moving_units(activations: Activations, images: Images, count: int) -> np.ndarray:
    """The units for which top images mean something.

    A rectified unit that is dead, or alive for a few images only, is equally silent for all others:
    its top images would be the first of the dataset.

    Args:
      activations: of the layer.
      images: float32 [N, H, W, C].
      count: k, images a unit.

    Returns:
      Numbers of the units that are above their least activation for at least k images, int64 [U].
    """
    least: np.ndarray | float = np.inf
    silent: np.ndarray | int = 0  # images at the least activation so far
    for values in _batches(activations, images):
        lowest = values.min(axis=0)
        here = np.count_nonzero(values == lowest, axis=0)
        silent = np.where(lowest < least, here, silent + np.where(lowest == least, here, 0))
        least = np.minimum(least, lowest)
    above = len(images) - silent
    return np.flatnonzero(above >= count)


def top_images(
    activations: Activations, images: Images, directions: np.ndarray, count: int
) -> np.ndarray:
    """The images whose activations lie farthest along each direction: maximise <phi(x), v>.

    Args:
      activations: phi, of the layer.
      images: x, float32 [N, H, W, C].
      directions: v, float32 [D, n].
      count: k, images a direction.

    Returns:
      Positions of the images, int64 [D, k], the farthest first; of equals the earlier one.

    Raises:
      InputError: there are fewer images than ``count``.
    """
    if not 1 <= count <= len(images):
        raise InputError(
            f"the top {count} images of {len(images)} were asked for; expected 1 to {len(images)}. "
            "Take fewer of them or a larger split."
        )
    best = np.empty((0, len(directions)), np.float32)
    positions = np.empty((0, len(directions)), np.int64)
    start = 0
    for values in _batches(activations, images):
        scores = values @ directions.T
        rows = np.arange(start, start + len(scores))[:, None]
        start += len(scores)
        best = np.concatenate([best, scores])
        positions = np.concatenate([positions, np.broadcast_to(rows, scores.shape)])
        order = np.argsort(-best, axis=0, kind="stable")[:count]
        best = np.take_along_axis(best, order, axis=0)
        positions = np.take_along_axis(positions, order, axis=0)
    return positions.T


def _batches(activations: Activations, images: Images) -> Iterator[np.ndarray]:
    for start in range(0, len(images), _BATCH):
        yield activations(images[start : start + _BATCH])


def _normalized(directions: np.ndarray) -> np.ndarray:
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)
