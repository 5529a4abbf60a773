"""What TensorBoard shows of an adversarial set: pictures, histograms and the quality card."""

import importlib.util
import os

import numpy as np
import tensorflow as tf

from tfblindspots.adversarial_sets import AdversarialSet
from tfblindspots.errors import InputError
from tfblindspots.reports.formatting import escape_markdown
from tfblindspots.reports.pictures import examples_picture, shown_examples
from tfblindspots.reports.quality_card import quality_card_markdown

# Drawn in a picture that is shown about 300 pixels wide.
_SHOWN = 5
# Names of TensorFlow's event files.
EVENTS = "events.out.tfevents.*"


def require_tensorboard() -> None:
    """Checks that what TensorFlow writes summaries with is there.

    Raises:
      InputError: it is not.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise InputError(
            "TensorBoard is not installed; say pip install '.[tensorboard]' in the folder of the "
            "source, or leave --tensorboard_dir (in Python tensorboard_dir) out."
        )


def write_set_summaries(
    directory: str | os.PathLike[str], adversarial_set: AdversarialSet, seed: int
) -> None:
    """Writes an event file with what a set holds.

    Args:
      directory: a run of TensorBoard.
      adversarial_set: as ``scripts/attack.py`` makes it.
      seed: of which examples are drawn.
    """
    examples, manifest = adversarial_set.examples, adversarial_set.manifest
    attacked = examples["original_prediction"] == examples["label"]
    found = attacked & (examples["success"] == 1)
    with tf.summary.create_file_writer(os.fspath(directory)).as_default(step=0):
        if found.any():
            tf.summary.histogram(
                "distortion",
                examples["distortion"][found],
                description="Of the correctly classified images that were turned: root mean square "
                "change of a pixel, in [0, 1].",
            )
        if attacked.any():
            tf.summary.histogram(
                "evaluations",
                examples["evaluations"][attacked],
                description="Evaluations of the model that a correctly classified image took.",
            )
        if examples["image"].shape[-1] in (1, 3):
            shown = shown_examples(adversarial_set, _SHOWN, seed)
            picture = examples_picture("examples.png", adversarial_set.name, shown)
            show_png("examples", picture.data, picture.caption)
        if "quality_card" in manifest:
            tf.summary.text("quality card", quality_card_markdown(manifest))


def show_png(tag: str, data: bytes, description: str) -> None:
    """Writes a PNG file's picture to the current event file."""
    image = tf.io.decode_png(data, channels=3)
    # TensorBoard reads descriptions as Markdown.
    tf.summary.image(tag, image[np.newaxis], description=escape_markdown(description))
