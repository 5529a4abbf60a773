"""Puts around a model what it needs: preprocessing, its type of numbers, its size of batch."""

from collections.abc import Callable

import tensorflow as tf

from tfblindspots.models.interface import ModelInterface
from tfblindspots.models.sources import Source

Function = Callable[[tf.Tensor], tf.Tensor]


def adapted(source: Source, interface: ModelInterface) -> Function:
    """A model's function from float32 images [B, H, W, C] in [0, 1], for any B, to float32."""
    size = source.shape[0]

    def function(images: tf.Tensor) -> tf.Tensor:
        return tf.cast(source.function(tf.cast(images, source.dtype)), tf.float32)

    batched = function if size is None else in_batches_of(size, function)
    return lambda images: batched(interface.preprocess(images))


def in_batches_of(size: int, function: Function) -> Function:
    """Lets a function of ``size`` images take any number of them: the last batch is filled up."""

    def batched(images: tf.Tensor) -> tf.Tensor:
        count = tf.shape(images)[0] if images.shape[0] is None else images.shape[0]
        padded = tf.pad(images, [[0, -count % size], [0, 0], [0, 0], [0, 0]])
        batches = tf.reshape(padded, [-1, size, *images.shape[1:]])
        outputs = tf.map_fn(function, batches, fn_output_signature=tf.float32)
        return tf.reshape(outputs, tf.concat([[-1], tf.shape(outputs)[2:]], 0))[:count]

    return batched
