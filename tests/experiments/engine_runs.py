"""What the tests of engines share: a set made in one process, and how others load its inputs."""

import functools
from pathlib import Path

from tfblindspots.data import load_dataset
from tfblindspots.experiments import Inputs
from tfblindspots.experiments.attack import QUALITY_CARD
from tfblindspots.models import load_classifier


def inputs(model_directory: Path, split: str = "test[:30]") -> Inputs:
    """How another process loads the model and the images of the tests of experiments."""
    return Inputs(
        functools.partial(load_classifier, model_directory),
        functools.partial(load_dataset, "digits", split),
    )


def contents(directory: Path) -> dict[str, bytes]:
    """The files of a set, but for those that tell of time."""
    timed = {"manifest.json", QUALITY_CARD}
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.name not in timed}
