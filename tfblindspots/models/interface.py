"""What a model needs from outside: which of its parts to use, and what images it expects."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfblindspots.errors import InputError

_CHOICES = {
    "channel_order": ("rgb", "bgr"),
    "data_format": ("channels_last", "channels_first"),
    "output_kind": ("auto", "logits", "probabilities"),
}


@dataclasses.dataclass(frozen=True)
class ModelInterface:
    """How to use a model that was made elsewhere; the defaults are right for those of this package.

    Images in [0, 1] become what the model expects in this order: scaled to ``pixel_range``, brought
    into ``channel_order``, less ``mean``, divided by ``std``, brought into ``data_format``. All of
    it is part of the classifier: gradients are those in the images in [0, 1].

    Attributes:
      signature: of a SavedModel; None where there is ``serving_default``, or only one.
      input: name of the input that takes the images; None where there is only one.
      output: name of the output; None where there is ``logits``, or only one.
      output_kind: what it is: ``"logits"``, ``"probabilities"``, or ``"auto"``, which looks at the
        last layer or tries.
      image_size: height and width, pixels, of a model that leaves them open; checked otherwise.
      pixel_range: what black and white are to the model, such as (0, 255).
      mean: subtracted after that scaling: one number, or one a channel in the model's order; none
        for 0.
      std: by which the difference is divided, likewise; none for 1.
      channel_order: ``"rgb"`` or ``"bgr"``.
      data_format: ``"channels_last"`` or ``"channels_first"``.

    Raises:
      InputError: a value is none of these.
    """

    signature: str | None = None
    input: str | None = None
    output: str | None = None
    output_kind: str = "auto"
    image_size: tuple[int, int] | None = None
    pixel_range: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    channel_order: str = "rgb"
    data_format: str = "channels_last"

    def __post_init__(self) -> None:
        for field, choices in _CHOICES.items():
            if getattr(self, field) not in choices:
                raise InputError(
                    f"{field} is '{getattr(self, field)}'; expected {' or '.join(choices)}."
                )
        for field in ("pixel_range", "mean", "std"):
            if not all(math.isfinite(value) for value in getattr(self, field)):
                raise InputError(f"{field} is {_text(getattr(self, field))}; expected numbers.")
        if len(self.pixel_range) != 2 or self.pixel_range[0] >= self.pixel_range[1]:
            raise InputError(
                f"pixel_range is {_text(self.pixel_range)}; expected what black and white are to "
                "the model, such as 0,255 or -1,1."
            )
        if not all(value > 0 for value in self.std):
            raise InputError(f"std is {_text(self.std)}; expected numbers greater than 0.")

    def settings(self) -> dict[str, Any]:
        """What is not as by default, JSON-ready; without names of parts and open sizes."""
        names = ("output_kind", "pixel_range", "mean", "std", "channel_order", "data_format")
        default = ModelInterface()
        return {
            name: value
            for name, value in dataclasses.asdict(self).items()
            if name in names and value != getattr(default, name)
        }

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> "ModelInterface":
        """The interface of a classifier whose ``settings`` a manifest holds.

        Raises:
          InputError: it holds others.
        """
        unknown = settings.keys() - {field.name for field in dataclasses.fields(cls)}
        if unknown:
            raise InputError(
                f"the model's settings hold {', '.join(sorted(unknown))}; expected those of this "
                "version. Upgrade tfblindspots."
            )
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in settings.items()
        }
        return cls(**values)

    def image_shape(self, declared: tuple[int | None, ...], name: str) -> tuple[int, int, int]:
        """Height, width and channels of the images that a model takes.

        Args:
          declared: what the model says of its input, batch first.
          name: the model's, for messages.

        Raises:
          InputError: it takes no images, or leaves open what ``image_size`` does not say, or these
            or the numbers a channel do not fit it.
        """
        first = self.data_format == "channels_first"
        order = "channels, height, width" if first else "height, width, channels"
        if len(declared) != 4:
            raise InputError(
                f"model {name} takes input of shape {_shape_text(declared)}; expected images [any, "
                f"{order}]."
            )
        channels, height, width = declared[1:] if first else (declared[3], *declared[1:3])
        if channels is None:
            raise InputError(
                f"model {name} takes input of shape {_shape_text(declared)}; expected images [any, "
                f"{order}] with a fixed number of channels."
            )
        if self.image_size is None and None in (height, width):
            raise InputError(
                f"model {name} takes images of any size, {_shape_text(declared)}; give its size "
                "with --image_size (in Python image_size), such as 224."
            )
        wanted = self.image_size or (height, width)
        if any(
            given not in (None, size) for given, size in zip((height, width), wanted, strict=True)
        ):
            raise InputError(
                f"model {name} takes images of {height} x {width} pixels, and image_size is "
                f"{wanted[0]} x {wanted[1]}; expected the model's own. Give that as --image_size "
                "(in Python image_size), or none for images that have it already."
            )
        self._check_channels(channels, name)
        assert wanted[0] is not None and wanted[1] is not None
        return wanted[0], wanted[1], channels

    def _check_channels(self, channels: int, name: str) -> None:
        for field in ("mean", "std"):
            values = getattr(self, field)
            if len(values) not in (0, 1, channels):
                raise InputError(
                    f"{field} has {len(values)} values, and model {name} takes images of "
                    f"{channels} channels; expected one number, or one a channel."
                )
        if self.channel_order == "bgr" and channels != 3:
            raise InputError(
                f"channel_order is bgr, and model {name} takes images of {channels} channels; "
                "expected 3."
            )

    def preprocess(self, images: tf.Tensor) -> tf.Tensor:
        """From float32 images [B, H, W, C] in [0, 1] to what the model expects."""
        low, high = self.pixel_range
        if (low, high) != (0, 1):
            images = images * np.float32(high - low) + np.float32(low)
        if self.channel_order == "bgr":
            images = images[..., ::-1]
        if self.mean:
            images = images - np.array(self.mean, np.float32)
        if self.std:
            images = images / np.array(self.std, np.float32)
        return tf.transpose(images, [0, 3, 1, 2]) if self.data_format != "channels_last" else images


def combined_fingerprint(fingerprint: str, settings: dict[str, Any]) -> str:
    """The SHA-256 of a model used in some way: the model's own where nothing is set."""
    if not settings:
        return fingerprint
    text = json.dumps([fingerprint, settings], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _text(values: tuple[float, ...]) -> str:
    return ",".join(f"{value:g}" for value in values) or "empty"


def _shape_text(shape: tuple[int | None, ...]) -> str:
    return f"[{', '.join('any' if size is None else str(size) for size in shape)}]"
