"""One class of a dataset against all others, and the images of one class alone."""

import dataclasses
import difflib

import numpy as np

from tfblindspots.artifacts import fingerprint_arrays
from tfblindspots.data.dataset import ImageDataset
from tfblindspots.errors import InputError

REST = "rest"


def one_against_rest(dataset: ImageDataset, positive: str) -> ImageDataset:
    """The same images with two classes: 1 for one class of the dataset, 0 for all others.

    Args:
      dataset: at least two classes.
      positive: the name of class 1.

    Raises:
      InputError: the dataset has no such class.
    """
    labels = (dataset.labels == _number(dataset, positive)).astype(np.int64)
    return dataclasses.replace(
        dataset,
        name=f"{dataset.name} ({positive} against the rest)",
        labels=labels,
        num_classes=2,
        class_names=(REST, positive),
        fingerprint=fingerprint_arrays(dataset.images, labels),
    )


def only_class(dataset: ImageDataset, name: str) -> ImageDataset:
    """The images of one class; ``indices`` still are those of the source split.

    Raises:
      InputError: the dataset has no such class, or no image of it.
    """
    chosen = dataset.labels == _number(dataset, name)
    if not chosen.any():
        raise InputError(
            f"split '{dataset.split}' of {dataset.name} has no image of class '{name}'; name a "
            "larger split or another class."
        )
    images, labels = dataset.images[chosen], dataset.labels[chosen]
    return dataclasses.replace(
        dataset,
        name=f"{dataset.name}, only {name}",
        images=images,
        labels=labels,
        indices=dataset.indices[chosen],
        fingerprint=fingerprint_arrays(images, labels),
    )


def _number(dataset: ImageDataset, name: str) -> int:
    found = [number for number, known in enumerate(dataset.class_names) if known == name]
    if len(found) > 1:
        raise InputError(
            f"'{name}' is the name of the classes {', '.join(map(str, found))} of {dataset.name}; "
            "expected the name of one. Rename them."
        )
    if found:
        return found[0]
    close = [known for known in dataset.class_names if name.lower() in known.lower()]
    close = close or difflib.get_close_matches(name, dataset.class_names, n=1)
    suggestion = f" (did you mean {close[0]}?)" if close else ""
    shown = ", ".join(dataset.class_names[:10])
    raise InputError(
        f"{dataset.name} has no class '{name}'{suggestion}; expected one of its "
        f"{len(dataset.class_names)} classes, such as {shown}."
    )
