"""The one seam to models: a classifier maps images in [0, 1] to logits, whatever it is made of."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfblindspots.data import Images, LazyImages
from tfblindspots.errors import InputError

# Images at a time, and numbers in them. A network's features of an image may take 50 times as much
# memory as the image.
_BATCH = 1000
_BATCH_VALUES = 2_500_000


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A differentiable function from images to logits, and what is known of it."""

    name: str
    # float32 images [B, H, W, C] in [0, 1] -> float32 logits [B, K]. Differentiable; traceable by
    # tf.function, also with jit_compile=True. The static batch size carries over to the logits.
    logits: Callable[[tf.Tensor], tf.Tensor]
    image_shape: tuple[int, int, int]  # height, width, channels
    num_classes: int  # K
    fingerprint: str  # SHA-256 of the files or of the weights, hexadecimal
    # The model's own output is probabilities: ``logits`` then are their logarithms, which have the
    # same softmax.
    probabilities: bool
    # How it is used, where that is not as by default: items of `ModelInterface`, JSON-ready.
    settings: tuple[tuple[str, Any], ...] = ()
    # SHA-256 of a SavedModel's variables alone: the same when the same weights are exported again,
    # which changes the names inside the graph and so ``fingerprint``. None for other models.
    weights_fingerprint: str | None = None

    @property
    def description(self) -> dict[str, Any]:
        """What a manifest says of the model: name, fingerprints, and settings if there are any."""
        found: dict[str, Any] = {"name": self.name, "fingerprint": self.fingerprint}
        if self.weights_fingerprint is not None:
            found["weights_fingerprint"] = self.weights_fingerprint
        return {**found, "settings": dict(self.settings)} if self.settings else found


def predict_logits(
    classifier: Classifier, images: Images, batch_size: int | None = None
) -> np.ndarray:
    """The logits of many images, computed batch by batch in a compiled graph.

    Args:
      classifier: the model.
      images: float32 [N, H, W, C], also such as are read when needed: a batch at a time then is.
        Values outside [0, 1] are let through, since noise may leave it.
      batch_size: images at a time; bounds the memory. None: ``forward_batch_size``.

    Returns:
      float32 [N, K]; NaN where the model returns it.

    Raises:
      InputError: the images do not fit the model.
    """
    _check_rank_and_shape(classifier, images)
    compiled = _compiled_logits(classifier)
    batch_size = batch_size or forward_batch_size(classifier.image_shape)
    starts = range(0, len(images), batch_size)
    return np.concatenate(
        [compiled(tf.constant(images[start : start + batch_size])).numpy() for start in starts]
    )


def forward_batch_size(image_shape: tuple[int, int, int]) -> int:
    """How many images are evaluated at a time: 1,000 small ones, 16 photos of 227x227."""
    return max(1, min(_BATCH, _BATCH_VALUES // math.prod(image_shape)))


@functools.lru_cache(maxsize=8)
def _compiled_logits(classifier: Classifier) -> Callable[[tf.Tensor], tf.Tensor]:
    """The graph of the logits; kept, since tracing takes longer than most predictions."""
    batch = tf.TensorSpec([None, *classifier.image_shape], tf.float32)
    return tf.function(classifier.logits, autograph=False).get_concrete_function(batch)


def check_images(classifier: Classifier, images: Images) -> None:
    """Rejects images that the model is not made for.

    Args:
      classifier: the model.
      images: what should be float32 [N, H, W, C] in [0, 1], N at least 1. The range of such as are
        read when needed was checked when they were loaded.

    Raises:
      InputError: rank, shape, dtype or range does not fit.
    """
    _check_rank_and_shape(classifier, images)
    if isinstance(images, LazyImages):
        return
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 1):  # also true of NaN
        raise InputError(
            f"images range from {low:g} to {high:g}; model {classifier.name} expects values in "
            "[0, 1]. Scale them first (8-bit images: divide by 255)."
        )


def check_labels(classifier: Classifier, labels: np.ndarray) -> None:
    """Rejects labels that are not classes of the model.

    Args:
      classifier: the model.
      labels: what should be integers [N] in 0..K - 1.

    Raises:
      InputError: rank, dtype or range does not fit.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            f"labels have shape {labels.shape} and type {labels.dtype}; expected one integer class "
            "an image, [N]."
        )
    if labels.size and not (labels.min() >= 0 and labels.max() < classifier.num_classes):
        raise InputError(
            f"labels range from {labels.min()} to {labels.max()}; model {classifier.name} has the "
            f"classes 0 to {classifier.num_classes - 1}. Use data with the model's classes."
        )


def _check_rank_and_shape(classifier: Classifier, images: Images) -> None:
    expected = f"expects float32 [N, {', '.join(map(str, classifier.image_shape))}]"
    if not isinstance(images, np.ndarray | LazyImages) or images.dtype != np.float32:
        found = images.dtype if isinstance(images, np.ndarray) else type(images).__name__
        raise InputError(
            f"images are {found}; model {classifier.name} {expected} in [0, 1]. Convert them with "
            "numpy.asarray(images, numpy.float32), 8-bit images divided by 255."
        )
    if images.shape[1:] != classifier.image_shape or not len(images):
        raise InputError(
            f"images have shape {list(images.shape)}; model {classifier.name} {expected}, N at "
            f"least 1. {_shape_advice(images.shape[1:], classifier.image_shape)}"
        )


def _shape_advice(found: tuple[int, ...], expected: tuple[int, int, int]) -> str:
    if found == expected:
        return "Give at least one image."
    if len(found) == 3 and found[2] == expected[2]:
        height, width, _ = expected
        return f"Load the data with --image_size={height},{width} (in Python image_size)."
    return "Use data like that which the model was trained for: grey for grey, colour for colour."
