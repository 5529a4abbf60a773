"""One class of a dataset against all others, and the images of one class alone."""

import dataclasses
import difflib

import numpy as np
from absl import logging

from tfblindspots.artifacts import Fingerprint, fingerprint_arrays
from tfblindspots.data.cache import Arrays, cached, key_of_files
from tfblindspots.data.dataset import ImageDataset
from tfblindspots.data.lazy_images import Images, part_of
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
        fingerprint=_fingerprint(dataset, np.arange(len(labels)), dataset.images, labels),
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
    images, labels = part_of(dataset.images, chosen), dataset.labels[chosen]
    return dataclasses.replace(
        dataset,
        name=f"{dataset.name}, only {name}",
        images=images,
        labels=labels,
        indices=dataset.indices[chosen],
        fingerprint=_fingerprint(dataset, np.flatnonzero(chosen), images, labels),
    )


def _fingerprint(
    dataset: ImageDataset, chosen: np.ndarray, images: Images, labels: np.ndarray
) -> str:
    """``fingerprint_arrays(images, labels)``; images are those of ``dataset`` that are chosen.

    Where that takes a reading of them all, it is kept.
    """
    if isinstance(images, np.ndarray):
        return fingerprint_arrays(images, labels)

    def compute() -> Arrays:
        logging.info("Reading %s images of %s for a fingerprint.", len(images), dataset.name)
        fingerprint = Fingerprint()
        fingerprint.begin(images.dtype, images.shape)
        for batch in images.batches():
            fingerprint.add(batch)
        fingerprint.begin(labels.dtype, labels.shape)
        fingerprint.add(labels)
        return {"fingerprint": np.array(fingerprint.hexdigest())}

    def valid(arrays: Arrays) -> bool:
        return {name: array.dtype.str for name, array in arrays.items()} == {"fingerprint": "<U64"}

    key = key_of_files([], dataset.fingerprint, chosen, labels)
    return str(cached("fingerprint", key, compute, valid)["fingerprint"])


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
