"""Which images of a split are attacked, what the classes are called, and what a target means."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from absl import logging

from tfblindspots.adversarial_sets import readable_class_name
from tfblindspots.attacks import TARGETS, unanswered
from tfblindspots.data import ImageDataset, part_of
from tfblindspots.errors import InputError
from tfblindspots.models import (
    Classifier,
    check_answers,
    is_unanswered,
    most_likely_class,
    predict_classes,
    predict_logits,
)


@dataclasses.dataclass(frozen=True)
class Chosen:
    """The images to attack."""

    positions: np.ndarray  # int64 [N], in the dataset's order
    # Images that the sample was drawn from; None where none was drawn.
    candidates: int | None


def target_by_name(target: str, dataset: ImageDataset) -> str:
    """A target as ``AttackConfig`` takes it: a class's name becomes its number.

    Args:
      target: one of ``TARGETS``, a class number, or a class of the dataset, such as ``ostrich`` or
        ``n01518878_ostrich``, in capital or small letters.
      dataset: names the classes.

    Raises:
      InputError: no class has that name, several have it, or it is the number of another one.
    """
    if target in TARGETS:
        return target
    if target.isdecimal():
        named = [str(n) for n, name in enumerate(dataset.class_names) if name == target]
        if named and target not in named:
            raise InputError(
                f"target {target} is the name of class {named[0]} of {dataset.name} as well as a "
                "number; expected names and numbers that agree. Rename the classes."
            )
        return target
    wanted = target.lower()
    found = [
        number
        for number, name in enumerate(dataset.class_names)
        if wanted in (name.lower(), readable_class_name(name).lower())
    ]
    if len(found) > 1:
        raise InputError(
            f"target '{target}' is the name of the classes {', '.join(map(str, found))} of "
            f"{dataset.name}; give a number."
        )
    if not found:
        raise InputError(
            f"target '{target}' is unknown; expected {', '.join(TARGETS)}, a class number, or the "
            f"name of one of the {dataset.num_classes} classes of {dataset.name}, such as "
            f"'{readable_class_name(dataset.class_names[0])}'."
        )
    return str(found[0])


def choose_images(
    classifier: Classifier,
    dataset: ImageDataset,
    target: str,
    seed: int,
    *,
    num_examples: int | None = None,
    sample: int | None = None,
) -> Chosen:
    """Chooses the images that are attacked.

    With a class number as the target, images whose label or prediction is that class are left out.

    Args:
      classifier: the model under attack.
      dataset: the images.
      target: as ``AttackConfig`` has it.
      seed: of the sample.
      num_examples: the first images only; None for all.
      sample: so many, drawn at random from those that the model classifies correctly; None to take
        them all, misclassified ones too.

    Raises:
      InputError: no image is left, or fewer than the sample, or both numbers are given, or the
        model returns NaN for every image.
    """
    check_answers(classifier, part_of(dataset.images, slice(num_examples)))
    if sample is None:
        return Chosen(_attackable(classifier, dataset, num_examples, target), None)
    if num_examples is not None:
        raise InputError(
            "a sample and the first images were asked for; give one of --sample, --num_examples."
        )
    if sample < 1:
        raise InputError(f"sample is {sample}; expected at least 1.")
    logits = predict_logits(classifier, dataset.images)
    correct = (most_likely_class(logits) == dataset.labels) & ~is_unanswered(logits)
    if target.isdecimal():
        correct &= dataset.labels != int(target)
    candidates = np.flatnonzero(correct)
    if len(candidates) < sample:
        raise InputError(
            f"a sample of {sample} was asked for, and of {len(dataset.labels)} images of "
            f"{dataset.name} {dataset.split} {len(candidates)} are classified correctly"
            f"{' and not of the target class' if target.isdecimal() else ''}; expected at least "
            "that many. Take a larger --split or a smaller --sample."
        )
    drawn = np.random.default_rng(seed).choice(candidates, size=sample, replace=False)
    return Chosen(np.sort(drawn), len(candidates))


def _attackable(
    classifier: Classifier, dataset: ImageDataset, num_examples: int | None, target: str
) -> np.ndarray:
    """Positions, among the first images, of those to which the target can be applied; int64 [N]."""
    labels = dataset.labels[:num_examples]
    if not target.isdecimal():
        return np.arange(len(labels))
    predictions = predict_classes(classifier, part_of(dataset.images, slice(num_examples)))
    there = (labels == int(target)) | (predictions == int(target))
    positions = np.flatnonzero(~there)
    if not positions.size:
        raise InputError(
            f"target {target} is the true or the predicted class of every image; expected images "
            "of other classes. Name another --target or another --split."
        )
    if there.any():
        logging.info(
            "Left out %d of %d images whose true or predicted class is the target %s.",
            there.sum(),
            there.size,
            target,
        )
    return positions


def warn_of_unanswered(classifier: Classifier, found: Mapping[str, np.ndarray]) -> None:
    """Says, in one line, which images were not attacked because the model returned NaN.

    Args:
      classifier: the model.
      found: fields of the whole set, by name: ``index``, ``status``, ``evaluations``.
    """
    indices = found["index"][unanswered(found)]
    if indices.size:
        logging.warning(
            "model %s returns NaN for %d of %d images, those of index %s%s; they are not attacked "
            "and have the status not finite.",
            classifier.name,
            indices.size,
            len(found["index"]),
            ", ".join(map(str, indices[:5])),
            ", …" if indices.size > 5 else "",
        )


def class_names(classifier: Classifier, dataset: ImageDataset) -> Sequence[str]:
    """Names of the model's classes: the dataset's where they are as many, else numbers."""
    if classifier.num_classes == dataset.num_classes:
        return dataset.class_names
    return [str(number) for number in range(classifier.num_classes)]
