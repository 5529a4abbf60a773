"""A training as TensorBoard shows it: curves while it runs, and what the network then does."""

import contextlib
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from tfblindspots.analysis import error_rate
from tfblindspots.data import ImageDataset
from tfblindspots.experiments.boards import TEST, TRAIN, claim_board
from tfblindspots.experiments.jobs import Job
from tfblindspots.models import Classifier, load_classifier, load_keras_model, predict_classes
from tfblindspots.reports import formatting
from tfblindspots.reports.figures import png, sample_positions
from tfblindspots.reports.formatting import escape_markdown
from tfblindspots.reports.mosaics import enlarged, mosaic, weight_images
from tfblindspots.reports.prediction_figures import predictions_figure
from tfblindspots.reports.tensorboard import show_png
from tfblindspots.training import Progress

# Images of each set by which errors are measured meanwhile; after the training, all of them are.
_MEASURED = 1000
# From one measurement to the next the iterations grow by this: about 20 in a training, more of them
# where it moves fast, so that they take some 2 % of its time.
_GROWTH = 1.4
_SHOWN = 32  # test images in a picture
_FLUSH = 10_000  # milliseconds until what is written can be seen
_WEIGHTS_SIDE = 512  # pixels that the picture of weights has at least, where it can be enlarged


@contextlib.contextmanager
def training_board(
    directory: str | os.PathLike[str] | None,
    job: Job,
    train_set: ImageDataset,
    test_set: ImageDataset,
) -> Iterator["TrainingBoard | None"]:
    """Claims a directory for what TensorBoard shows of a training.

    Args:
      directory: new, empty, or this very training's; None for none.
      job: the training's.
      train_set: what the network is trained on.
      test_set: what it is measured on.

    Yields:
      Whom to tell of the training; None where ``directory`` is None or has it all.

    Raises:
      InputError: TensorBoard is not installed, or the directory is another job's.
    """
    if directory is None:
        yield None
        return
    with claim_board(directory, job.flags, job.inputs) as place:
        if place is None:
            yield None
            return
        board = TrainingBoard(place, train_set, test_set, job.flags["seed"])
        try:
            yield board
        finally:
            board.close()


class TrainingBoard:
    """Writes the event files of a training; reads the network and changes nothing in it."""

    def __init__(
        self, directory: Path, train_set: ImageDataset, test_set: ImageDataset, seed: int
    ) -> None:
        """Begins two runs: of the training images, ``train``, and of the test images, ``test``."""
        self._sets = {TRAIN: train_set, TEST: test_set}
        self._drawn = {
            name: sample_positions(len(images.labels), _MEASURED, seed)
            for name, images in self._sets.items()
        }
        self._seed = seed
        self._directory = directory
        self._writers: dict[str, Any] = {}
        self._classifier: Classifier | None = None
        self._next, self._measured, self._followed = 1, 0, False

    def follow(self, progress: Progress) -> None:
        """Writes the loss and, now and then, errors and the first layer's weights."""
        self._followed = True
        with self._writing(TRAIN, progress.done):
            # Only an autoencoder's code is no network yet.
            tf.summary.scalar("loss" if progress.model else f"{progress.stage}_loss", progress.loss)
        if progress.model is not None and progress.done >= self._next:
            self._next = max(progress.done + 1, math.ceil(_GROWTH * progress.done))
            # Its graph reads the variables, which go on changing.
            self._classifier = self._classifier or load_classifier(progress.model)
            self._measure(self._classifier, progress.model, progress.done)

    def finish(self, network: str | os.PathLike[str], manifest: Mapping[str, Any]) -> None:
        """Writes what a trained network does.

        Args:
          network: its directory.
          manifest: of it; see ``export_network``.
        """
        if not self._followed:
            logging.info(
                "TensorBoard gets no curves: the network was trained before; to have them, train "
                "it anew into another output_dir."
            )
        step, classifier = manifest["iterations"], load_classifier(network)
        if self._measured != step:
            self._measure(classifier, load_keras_model(network), step)
        test_set = self._sets[TEST]
        predictions = predict_classes(classifier, test_set.images)
        count = len(predictions)
        wrong = np.flatnonzero(predictions != test_set.labels)
        with self._writing(TEST, step):
            tf.summary.text("network", _description(manifest))
            for tag, positions in {
                "test images": np.arange(count),
                "wrong test images": wrong,
            }.items():
                if positions.size and test_set.images.shape[-1] in (1, 3):
                    self._show_predictions(tag, positions, predictions)

    def close(self) -> None:
        """Completes the event files."""
        for writer in self._writers.values():
            writer.close()

    def _writing(self, name: str, step: int) -> contextlib.AbstractContextManager[object]:
        # A writer makes its file at once; a training that cannot begin leaves none.
        if name not in self._writers:
            place = str(self._directory / name)
            self._writers[name] = tf.summary.create_file_writer(place, flush_millis=_FLUSH)
        return self._writers[name].as_default(step=step)

    def _measure(self, classifier: Classifier, model: keras.Model, step: int) -> None:
        self._measured = step
        for name, images in self._sets.items():
            drawn = self._drawn[name]
            predictions = predict_classes(classifier, images.images[drawn])
            rate = error_rate(predictions, images.labels[drawn]).rate
            of = _of(len(drawn), len(images.labels), f"{name} images")
            with self._writing(name, step):
                tf.summary.scalar("error", rate, description=f"On {of}.")
        kernels = [layer.kernel for layer in model.layers if hasattr(layer, "kernel")]
        shape = self._sets[TRAIN].images.shape[1:]
        units = weight_images(kernels[0].value.numpy(), shape) if kernels else None
        if units is not None:
            picture = enlarged(mosaic(units, gap=1), _WEIGHTS_SIDE)
            with self._writing(TRAIN, step):
                tf.summary.image(
                    "first layer's weights",
                    picture[np.newaxis],
                    description="An image a unit; grey is 0, each is scaled by its largest weight.",
                )

    def _show_predictions(self, tag: str, among: np.ndarray, predictions: np.ndarray) -> None:
        test_set = self._sets[TEST]
        positions = among[sample_positions(len(among), _SHOWN, self._seed)]
        labels, given = (
            [test_set.class_names[number] for number in numbers[positions]]
            for numbers in (test_set.labels, predictions)
        )
        figure = predictions_figure(test_set.images[positions], labels, given)
        of = _of(len(positions), len(among), tag)
        show_png(tag, png(figure), f"{of}: the class and, where it is wrong, the prediction")


def _of(drawn: int, count: int, what: str) -> str:
    return (
        f"all {count:,} {what}" if drawn == count else f"{drawn:,} of {count:,} {what}, at random"
    )


def _description(manifest: Mapping[str, Any]) -> str:
    lines = [
        f"{manifest['title']} on {manifest['dataset']}",
        *(formatting.error_line(name, manifest[f"{name}_error"]) for name in ("train", "test")),
        f"{manifest['iterations']} iterations, {manifest['evaluations']} evaluations",
        manifest["message"],
    ]
    return "".join(f"- {escape_markdown(line)}\n" for line in lines)
