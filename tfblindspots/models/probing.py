"""Tries a model on a few images: does it give a row of numbers, and are they probabilities?"""

import numpy as np
import tensorflow as tf

from tfblindspots.errors import InputError, first_line
from tfblindspots.models.adapting import Function
from tfblindspots.models.interface import ModelInterface
from tfblindspots.models.sources import Source

# How far outside of [0, 1] the one output of a binary model is tried: only logits follow.
_FAR = 100.0


def probe(function: Function, image_shape: tuple[int, int, int], name: str) -> np.ndarray:
    """What the model returns for a few images, checked to be [B, K]; rows with NaN are left out."""
    noise = np.random.default_rng(0).random((2, *image_shape), np.float32)
    images = np.concatenate([noise, np.zeros_like(noise[:1]), np.ones_like(noise[:1])])
    try:
        outputs = function(tf.constant(images)).numpy()
    # What a stranger's graph raises is not known beforehand.
    except Exception as error:
        raise InputError(
            f"model {name} fails on random images of shape {list(images.shape)} "
            f"({first_line(error)}); expected a model that takes any number of images."
        ) from None
    if outputs.ndim not in (1, 2) or len(outputs) != len(images) or not outputs.size:
        raise InputError(
            f"model {name} returns shape {list(outputs.shape)} for {len(images)} images; expected "
            "one row of classes for each."
        )
    rows = outputs.reshape(len(images), -1)
    answered = ~np.isnan(rows).any(axis=1)
    if not answered.any():
        raise InputError(
            f"model {name} returns NaN; expected finite logits. Train it again or use another."
        )
    return rows[answered]


def are_probabilities(
    outputs: np.ndarray,
    function: Function,
    image_shape: tuple[int, int, int],
    source: Source,
    interface: ModelInterface,
    name: str,
) -> bool:
    """Whether a model gives probabilities: as ``interface`` or its last layer says, or as it does.

    Args:
      outputs: float32 [B, K] of ``probe``.
      function: images in [0, 1] to outputs.
      image_shape: of one image.
      source: the model's own function.
      interface: what its user says.
      name: for messages.

    Raises:
      InputError: it should, but cannot, be so.
    """
    inside = _inside(outputs)
    if interface.output_kind == "probabilities" and not inside:
        raise InputError(
            f"model {name} returns {outputs.min():g} to {outputs.max():g}, and output_kind is "
            "probabilities; expected numbers in [0, 1]. Leave it out, or say logits."
        )
    if interface.output_kind != "auto":
        return interface.output_kind == "probabilities"
    if source.probabilities is not None:
        return source.probabilities
    if outputs.shape[1] > 1:
        return inside and bool(np.allclose(outputs.sum(axis=1), 1, atol=1e-3))
    # The logits of a model that knows little may lie in [0, 1] by chance: those of images far
    # outside of [0, 1] do not.
    signs = np.random.default_rng(1).choice([-_FAR, _FAR], (8, *image_shape)).astype(np.float32)
    return inside and _inside(function(tf.constant(signs)).numpy())


def _inside(outputs: np.ndarray) -> bool:
    return bool(((outputs >= 0) & (outputs <= 1) | np.isnan(outputs)).all())
