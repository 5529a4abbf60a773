"""Makes a SavedModel of a defined network and trained weights from elsewhere."""

import dataclasses
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfblindspots.analysis import top_error_rate
from tfblindspots.artifacts import build_manifest, fingerprint_path, prepare_output_directory
from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.experiments.jobs import Job
from tfblindspots.experiments.training import KIND, describe
from tfblindspots.models import (
    ASSETS,
    check_labels,
    export_saved_model,
    get_definition,
    load_classifier,
    load_weights,
    predict_logits,
)

TOP = 5


@dataclass(frozen=True)
class ImportConfig:
    """What an imported network depends on, besides its weights.

    Attributes:
      model: a name that ``get_definition`` knows, such as ``"squeezenet"``.
      image_size: height and width, pixels; None for what the definition is made for.
      num_classes: K.
      layout: of the weights, see ``load_weights``.
    """

    model: str
    image_size: tuple[int, int] | None = None
    num_classes: int = 1000
    layout: str = "keras"


def import_model(
    config: ImportConfig,
    weights: str | os.PathLike[str],
    output_dir: str | os.PathLike[str],
    test_set: ImageDataset | None = None,
) -> dict[str, Any]:
    """Builds a network, loads its weights and exports it, or finds it already there.

    Args:
      config: the network.
      weights: file of its weights, see ``load_weights``.
      output_dir: where the SavedModel goes; new, empty, or this very network's.
      test_set: images that it is measured on, if any.

    Returns:
      The SavedModel's manifest. Besides the common keys: ``name``, ``title``, ``num_classes``,
      ``image_shape``; where there is a test set, its ``dataset`` and ``class_names``, and
      ``test_error`` and ``top5_error`` (``ErrorRate`` as a dictionary).

    Raises:
      InputError: the model is unknown, or says no image size and none is given; the weights do not
        fit it; the images or labels do not; the directory holds something else.
    """
    definition = get_definition(config.model)
    height, width = image_size(config)
    image_shape = (height, width, 3)
    if not Path(weights).is_file():
        raise InputError(f"weights {weights} do not exist; expected a .npz or .h5 file.")
    inputs: dict[str, Any] = {
        "weights": {"name": Path(weights).name, "fingerprint": fingerprint_path(weights)}
    }
    flags = dataclasses.asdict(config) | {"image_size": f"{height},{width}"}
    if test_set is not None:
        inputs["test_set"] = describe(test_set)
        flags |= {"dataset": test_set.name, "split": test_set.split}
    directory = Path(output_dir)
    job = Job(directory, KIND, flags, inputs)
    manifest = job.finished(ASSETS)
    if manifest is not None:
        return manifest
    prepare_output_directory(directory)
    start = time.perf_counter()
    try:
        model = definition.build(image_shape, config.num_classes, 0)
        load_weights(model, weights, config.layout)
        measured: dict[str, Any] = {}
        if test_set is not None:
            classifier = load_classifier(model, name=definition.name)
            check_labels(classifier, test_set.labels)
            logits = predict_logits(classifier, test_set.images)
            measured = {"dataset": test_set.name, "class_names": test_set.class_names}
            for name, count in (("test_error", 1), (f"top{TOP}_error", TOP)):
                measured[name] = top_error_rate(logits, test_set.labels, count)._asdict()
        manifest = build_manifest(
            KIND,
            flags=flags,
            seed=None,
            inputs=inputs,
            seconds=time.perf_counter() - start,
            name=definition.name,
            title=definition.title,
            num_classes=config.num_classes,
            image_shape=list(image_shape),
            **measured,
        )
        export_saved_model(model, directory, manifest)
    finally:
        if not any(directory.iterdir()):
            directory.rmdir()
    return manifest


def image_size(config: ImportConfig) -> tuple[int, int]:
    """Height and width of the network's images, pixels.

    Raises:
      InputError: the model is unknown, or takes images of any size and none is given.
    """
    definition = get_definition(config.model)
    if config.image_size is not None:
        return config.image_size
    if definition.image_shape is None:
        raise InputError(
            f"model {config.model} is not made for one size of images; say which with --image_size."
        )
    return definition.image_shape[:2]
