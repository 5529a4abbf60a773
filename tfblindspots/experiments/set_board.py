"""An adversarial set as TensorBoard shows it, with its activations in the Embedding Projector."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import logging

from tfblindspots.adversarial_sets import (
    AdversarialSet,
    read_adversarial_set,
    readable_class_name,
)
from tfblindspots.errors import InputError
from tfblindspots.experiments.boards import check_board, claim_board
from tfblindspots.experiments.evaluation import set_inputs
from tfblindspots.models import (
    Classifier,
    Layer,
    ModelInterface,
    forward_batch_size,
    load_keras_model,
    load_layer,
    predict_logits,
)
from tfblindspots.reports.figures import sample_positions
from tfblindspots.reports.projector import most_points, write_projector
from tfblindspots.reports.tensorboard import write_set_summaries

_NO_INTERFACE = ModelInterface()


class SetBoard:
    """Writes what TensorBoard shows of a model's adversarial set."""

    def __init__(
        self,
        directory: str | os.PathLike[str],
        model: str | os.PathLike[str],
        classifier: Classifier,
        *,
        layer: str | None = None,
        interface: ModelInterface = _NO_INTERFACE,
        seed: int = 0,
    ) -> None:
        """Checks all that can be checked before there is a set.

        Args:
          directory: a run of TensorBoard: new, empty, or that of the same set and settings.
          model: the attacked model's file or directory.
          classifier: the same, loaded.
          layer: whose activations are shown; None for the one before the last, and for the logits
            where the model does not give its layers or has none with weights before the last.
          interface: with which the model was loaded.
          seed: of which examples are shown, where they are too many.

        Raises:
          InputError: TensorBoard is not installed; the directory holds something else; the model
            has no such layer.
        """
        check_board(directory)
        self._directory, self._classifier, self._seed = directory, classifier, seed
        self._layer = _layer(model, classifier, layer, interface)
        # Of a layer of positions, the axis of an image's activations that is not one of them.
        self._channels = 0 if interface.data_format == "channels_first" else -1

    def show(self, adversarial_set: str | os.PathLike[str]) -> None:
        """Writes pictures, histograms, the quality card and the projector's files of a set.

        Args:
          adversarial_set: its directory.

        Raises:
          InputError: it is not finished; the TensorBoard directory is of another set, model, layer
            or seed.
        """
        name = Path(adversarial_set).resolve().name
        inputs = {**set_inputs({name: adversarial_set}), "model": self._classifier.description}
        flags = {"layer": self._layer.name, "seed": self._seed}
        with claim_board(self._directory, flags, inputs) as place:
            if place is not None:
                read = read_adversarial_set(adversarial_set)
                write_set_summaries(place, read, self._seed)
                self._project(place, read)

    def _project(self, place: Path, read: AdversarialSet) -> None:
        examples = read.examples
        image_shape = examples["image"].shape[1:]
        size = self._layer.shape[self._channels]
        count, most = len(examples["index"]), most_points(image_shape, size) // 2
        chosen = sample_positions(count, most, self._seed)
        if len(chosen) < count:
            logging.info(
                "The Embedding Projector gets %d of the %d examples, drawn by the seed: more would "
                "not fit in its sprite or be too many to draw.",
                len(chosen),
                count,
            )
        found = {name: values[chosen] for name, values in examples.items()}
        images = np.concatenate([found["original"], found["image"]])
        names = [*map(readable_class_name, read.manifest["class_names"])]
        write_projector(
            place,
            f"{read.name} {self._layer.name}",
            self._vectors(images),
            images,
            {
                "kind": ["original"] * len(chosen) + ["adversarial"] * len(chosen),
                "index": [*found["index"], *found["index"]],
                "label": _named(names, found["label"], found["label"]),
                "prediction": _named(names, found["original_prediction"], found["prediction"]),
                "target": _named(names, found["target"], found["target"]),
                "success": [*found["success"], *found["success"]],
                "distortion": ["0"] * len(chosen) + [f"{d:.6g}" for d in found["distortion"]],
            },
        )

    def _vectors(self, images: np.ndarray) -> np.ndarray:
        """Activations, float32 [N, n]; of a layer of positions their mean over these."""
        step = forward_batch_size(images.shape[1:])
        batches = []
        for start in range(0, len(images), step):
            values = self._layer.activations(images[start : start + step])
            values = values.reshape(len(values), *self._layer.shape)
            values = np.moveaxis(values, 1 if self._channels == 0 else -1, -1)
            batches.append(values.mean(axis=tuple(range(1, values.ndim - 1))))
        return np.concatenate(batches)


def _named(names: Sequence[str], *classes: np.ndarray) -> list[str]:
    """Class numbers as names; -1, which is no class, as -."""
    return [names[number] if number >= 0 else "-" for number in np.concatenate(classes)]


def _layer(
    model: str | os.PathLike[str],
    classifier: Classifier,
    layer: str | None,
    interface: ModelInterface,
) -> Layer:
    if layer is not None:
        return load_layer(model, layer, interface)
    try:
        layers = load_keras_model(model).layers
        if any(before.weights for before in layers[:-1]):
            return load_layer(model, layers[-2].name, interface)
    except InputError:
        pass  # It does not give its layers, or not this one.
    return Layer("logits", (classifier.num_classes,), lambda x: predict_logits(classifier, x))
