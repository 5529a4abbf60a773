"""Arrays to serialized ``tf.train.Example`` messages, without a message object for each example.

Two facts of the encoding make that quick: serialized messages joined end to end are the messages
merged, so that an example is the joined messages of its features; and the pixels of a feature lie
at its message's end, as they are in memory, after bytes that are the same in every example.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import tensorflow as tf


def serialize_examples(examples: Mapping[str, np.ndarray]) -> Iterator[bytes]:
    """Serializes examples as ``tf.train.Example`` messages.

    Args:
      examples: arrays by feature name, float32, uint8, int64 or text, whose first axis of length N
        counts examples. The other axes are flattened, as ``tf.io.FixedLenFeature`` expects; those
        of uint8 become bytes; integers and text have none.

    Yields:
      The N messages.
    """
    features = [_serialize_feature(name, values) for name, values in examples.items()]
    for parts in zip(*features, strict=True):
        yield b"".join(parts)


def _serialize_feature(name: str, values: np.ndarray) -> Iterable[bytes]:
    """The messages that hold one feature only, of every example."""
    if values.dtype.kind in "fu":
        little_endian = "<f4" if values.dtype.kind == "f" else "u1"
        rows = values.astype(little_endian, copy=False).reshape(len(values), -1)
        zeros = np.zeros_like(rows[0])
        if values.dtype.kind == "f":
            feature = tf.train.Feature(float_list=tf.train.FloatList(value=zeros))
        else:
            feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[zeros.tobytes()]))
        message = _serialize(name, feature)
        header = message[: len(message) - rows[0].nbytes]
        return (header + row.tobytes() for row in rows)
    # Classes and reasons recur, so each is made once.
    unique, inverse = np.unique(values, return_inverse=True)
    if values.dtype.kind == "i":
        lists = [{"int64_list": tf.train.Int64List(value=[value])} for value in unique]
    else:
        lists = [{"bytes_list": tf.train.BytesList(value=[value.encode()])} for value in unique]
    messages = [_serialize(name, tf.train.Feature(**kind)) for kind in lists]
    return (messages[i] for i in inverse)


def _serialize(name: str, feature: tf.train.Feature) -> bytes:
    features = tf.train.Features(feature={name: feature})
    return tf.train.Example(features=features).SerializeToString()
