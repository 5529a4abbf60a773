"""How far a network does carry images apart, layer by layer, beside what bounds it (E6)."""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfblindspots.analysis.model_graphs import graph_of, run_graph
from tfblindspots.analysis.network_bounds import LayerBounds
from tfblindspots.errors import InputError

# Numbers that the activations of one batch may take, of all layers together.
_BATCH_NUMBERS = 1 << 27


class Expansion(NamedTuple):
    """Ratios of distances, float64 [N]; NaN where the distance before is 0."""

    layer: np.ndarray  # after the layer, over before it
    network: np.ndarray  # after the layer, over between the images


class NetworkExpansion(NamedTuple):
    """Ratios of distances in a network."""

    layers: dict[str, Expansion]  # by layer's name
    output: np.ndarray  # of the network's outputs, over between the images, float64 [N]


def measure_expansion(
    model: keras.Model,
    rows: Sequence[LayerBounds],
    originals: np.ndarray,
    images: np.ndarray,
) -> NetworkExpansion:
    """||phi(x') - phi(x)|| / ||x' - x|| of every layer phi and pair of images.

    Args:
      model: the network.
      rows: its layers, as ``network_bounds`` gives them. A layer with batch normalisation folded in
        is measured with it, and the normalisation, which is no layer of its own then, not at all.
      originals: float32 [N, H, W, C].
      images: float32 [N, H, W, C], none equal to its original.

    Raises:
      InputError: the images do not fit the model, or one equals its original.
    """
    shape = tuple(graph_of(model).inputs[0].shape[1:])
    if originals.shape != images.shape or originals.shape[1:] != shape or not len(images):
        raise InputError(
            f"images have shape {list(images.shape)}, originals {list(originals.shape)}; model "
            f"{model.name} expects [N, {', '.join(map(str, shape))}], N at least 1."
        )
    batch_size = _batch_size(model)
    before: dict[str, list[np.ndarray]] = {row.name: [] for row in rows}
    after: dict[str, list[np.ndarray]] = {row.name: [] for row in rows}
    distances = _compiled_distances(model)
    output: list[np.ndarray] = []
    for first in range(0, len(images), batch_size):
        batch = slice(first, first + batch_size)
        found, last = distances(tf.constant(originals[batch]), tf.constant(images[batch]))
        output.append(last.numpy())
        for name, (near, far) in found.items():
            before[name].append(near.numpy())
            after[name].append(far.numpy())
    apart = np.linalg.norm((images - originals).reshape(len(images), -1).astype(np.float64), axis=1)
    if not apart.all():
        raise InputError(
            f"image {int(np.argmin(apart))} equals its original; expected pairs that differ."
        )
    parts = {row.folded for row in rows}
    measured = {}
    for row in rows:
        if row.name in parts:
            continue
        near = np.concatenate(before[row.name]).astype(np.float64)
        far = np.concatenate(after[row.folded or row.name]).astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            measured[row.name] = Expansion(np.where(near > 0, far / near, np.nan), far / apart)
    return NetworkExpansion(measured, np.concatenate(output).astype(np.float64) / apart)


def _compiled_distances(model: keras.Model):  # type: ignore[no-untyped-def]
    """From originals and images to distances before and after each layer, and of the outputs."""

    def distances(
        originals: tf.Tensor, images: tf.Tensor
    ) -> tuple[dict[str, tuple[tf.Tensor, ...]], tf.Tensor]:
        found: dict[str, tuple[tf.Tensor, ...]] = {}

        def visit(name: str, inputs: list[tf.Tensor], output: tf.Tensor) -> None:
            squares = tf.add_n([_squared_distance(tensor) for tensor in inputs])
            found[name] = tf.sqrt(squares), tf.sqrt(_squared_distance(output))

        (output,) = run_graph(model, [tf.concat([originals, images], axis=0)], visit)
        return found, tf.sqrt(_squared_distance(output))

    batch = tf.TensorSpec([None, *graph_of(model).inputs[0].shape[1:]], tf.float32)
    # Traced by hand: TensorFlow takes a function that is made anew for each model for a mistake.
    return tf.function(distances, autograph=False).get_concrete_function(batch, batch)


def _squared_distance(pairs: tf.Tensor) -> tf.Tensor:
    """Between the first half of a batch and the second, [B]."""
    first, second = tf.split(tf.cast(pairs, tf.float32), 2)
    return tf.reduce_sum((second - first) ** 2, axis=tf.range(1, tf.rank(pairs)))


def _batch_size(model: keras.Model) -> int:
    sizes = [
        int(np.prod([side or 1 for side in tensor.shape[1:]]))
        for layer in graph_of(model).operations
        for tensor in keras.tree.flatten(layer._inbound_nodes[0].output_tensors)
    ]
    return max(1, _BATCH_NUMBERS // (2 * sum(sizes)))
