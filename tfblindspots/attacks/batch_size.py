"""How many images an attack has in work at a time: a fixed number, or by the free memory."""

import functools
import math

import tensorflow as tf
from absl import logging

from tfblindspots import runtime
from tfblindspots.attacks.architecture import trace
from tfblindspots.attacks.efforts import PHOTO, choose_effort
from tfblindspots.attacks.examples import AUTO, AttackConfig
from tfblindspots.models import BatchSize, Classifier

# Slots of the batch to which the last images move: at as many, XLA's rounding is that of more.
SMALL_BATCH = 64
# Images in work by default; of photos few, whose gradients fill the memory.
_BATCH, _PHOTO_BATCH = 256, 16
# By free memory at most so many: a shard of 5,000 images fills such a batch several times.
_MOST = 1024
# Of the free memory, what a batch may take: what is estimated is not all, and others need some.
_SHARE = 0.6
# Rows of pixels that a search keeps for an image, besides its curvature pairs.
_ROWS = 20
# Operations whose results take no memory of their own, or none that is in proportion to images.
_FREE = {"Const", "ReadVariableOp", "Placeholder", "Identity", "IdentityN", "StopGradient"}
_FREE |= {"Reshape", "Squeeze", "ExpandDims"}


def choose_batch_size(classifier: Classifier, config: AttackConfig) -> int:
    """The number of images in work at a time, before any batch has run out of memory.

    With ``batch_size="auto"`` as many as the memory that is free at the moment is estimated to hold
    (see ``bytes_per_image``), but at most 1,024, and on a CPU at most what is the default: there
    more is not faster.

    Args:
      classifier: the model under attack.
      config: the attack.
    """
    default = _PHOTO_BATCH if math.prod(classifier.image_shape) > PHOTO else _BATCH
    if config.batch_size is None:
        return default
    if config.batch_size != AUTO:
        return int(config.batch_size)
    free = runtime.free_memory()
    if free is None:
        logging.info("Batch size %d: the system does not tell how much memory is free.", default)
        return default
    most = _MOST if runtime.on_gpu() else default
    cost = bytes_per_image(classifier, config)
    chosen = max(1, min(most, int(_SHARE * free / cost)))
    if chosen > SMALL_BATCH:
        chosen -= chosen % quantum(chosen)
    logging.info(
        "Batch size %d: an image in work takes some %.2f MiB of the %.0f MiB that are free.",
        *(chosen, cost / 2**20, free / 2**20),
    )
    return chosen


def bytes_per_image(classifier: Classifier, config: AttackConfig) -> int:
    """About the memory that an image in work takes; in practice an upper bound.

    All that the model computes on the way to the logits, as if nothing of it were given back before
    the gradient is there, and the search's state twice, before and after a step.

    Args:
      classifier: the model under attack.
      config: the attack.
    """
    pixels = math.prod(classifier.image_shape)
    effort = choose_effort(config.effort, trace(classifier).convolutional, pixels)
    rows = _ROWS + 2 * max(effort.direct.pairs, effort.noisy.pairs)
    spec = tf.TensorSpec([None, *classifier.image_shape], tf.float32)
    graph = tf.function(classifier.logits, autograph=False).get_concrete_function(spec).graph
    return 2 * 4 * rows * pixels + _computed(graph)


def batch_in_use(classifier: Classifier, config: AttackConfig) -> BatchSize:
    """The batch size of a model's attacks, the same from call to call: halved, it stays so."""
    return _batch_in_use(classifier, config.batch_size, config.effort)


@functools.lru_cache(maxsize=8)
def _batch_in_use(classifier: Classifier, batch_size: int | str | None, effort: str) -> BatchSize:
    config = AttackConfig(batch_size=batch_size, effort=effort)
    return BatchSize(choose_batch_size(classifier, config), classifier.name)


def slots_for(size: int) -> int:
    """The slots that are compiled for a batch size."""
    return -(-size // quantum(size)) * quantum(size)


def quantum(size: int) -> int:
    """The model is called with multiples of so many images.

    At multiples of 16 TensorFlow's rounding is the same for any batch size; a small batch of large
    images would pay too much for it.
    """
    return 16 if size > SMALL_BATCH else 1


def _computed(graph: tf.Graph) -> int:
    """Bytes of the results that a graph, with the functions it calls, computes for an image."""
    total = 0
    for operation in graph.get_operations():
        called = [value.func.name for value in operation.node_def.attr.values() if value.func.name]
        if called:
            total += sum(_computed(graph._get_function(name).graph) for name in called)
        elif operation.type not in _FREE:
            for output in operation.outputs:
                # What does not grow with the number of images has no open dimension first.
                if output.shape.rank and output.shape[0] is None:
                    sizes = (size or 1 for size in output.shape.as_list())
                    total += math.prod(sizes) * output.dtype.size
    return total
