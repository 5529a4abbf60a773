"""Reads TensorBoard's event files back."""

from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def read_summaries(directory: Path) -> dict[str, list[tuple[int, Any]]]:
    """Of one run, by tag: steps and values as arrays."""
    events = EventAccumulator(str(directory), size_guidance={"tensors": 0}).Reload()
    return {
        tag: [(event.step, tf.make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
    }


def picture(value: Any) -> Any:
    """The only picture of an image summary, uint8 [H, W, C]."""
    width, height, data = value
    image = tf.io.decode_png(data).numpy()
    assert image.shape[:2] == (int(height), int(width))
    return image
