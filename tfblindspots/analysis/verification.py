"""Whether what a set says of its examples follows from their pixels, their images and their model.

Every function compares the fields of some examples with what it computes anew, and returns what
does not hold.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from tfblindspots.adversarial_sets import fields_of, out_of_range, range_text
from tfblindspots.analysis.distortions import summarize_distortions
from tfblindspots.analysis.quality_card import make_quality_card
from tfblindspots.attacks import attacked, judge, succeeds, unanswered
from tfblindspots.data import Images, from_uint8, round_to_uint8
from tfblindspots.models import (
    Classifier,
    is_unanswered,
    most_likely_class,
    predict_logits,
)

# Of one claim, so many examples are described.
_DESCRIBED = 5
# Sizes are stored as float32, of which this is more than the rounding of some operations.
_TOLERANCE = 1e-6
# Parts of a summary that measure the attack, not the examples.
_UNREPEATABLE = ("seconds", "images_per_second")

Examples = Mapping[str, np.ndarray]


class Violation(NamedTuple):
    """Examples of which one claim does not hold."""

    claim: str  # what is claimed: the field's name
    numbers: np.ndarray  # int64 [M]: the examples' positions among those that were given
    texts: tuple[str, ...]  # what is wrong with the first few

    def of(self, numbers: np.ndarray) -> "Violation":
        """The same, of examples that are numbered as ``numbers`` [N] says."""
        return self._replace(numbers=numbers[self.numbers])


def merged(violations: Iterable[Violation]) -> list[Violation]:
    """One violation a claim, of those of several parts of a set."""
    parts: dict[str, list[Violation]] = {}
    for violation in violations:
        parts.setdefault(violation.claim, []).append(violation)
    return [
        Violation(
            claim,
            np.concatenate([part.numbers for part in same]),
            tuple(text for part in same for text in part.texts)[:_DESCRIBED],
        )
        for claim, same in parts.items()
    ]


def value_violations(examples: Examples, schema: int, num_classes: int) -> list[Violation]:
    """Values that are not finite or out of their field's range: pixels outside of the box, ...

    Args:
      examples: the fields of a set, by name.
      schema: of the set.
      num_classes: of its model.
    """
    return kept(
        violation(
            field.name,
            np.any(out_of_range(field, values, num_classes).reshape(len(values), -1), axis=1),
            lambda i, field=field, values=values: (  # type: ignore[misc]
                f"{field.name} is {_shown(values[i])}; expected values "
                f"{range_text(field, num_classes)}"
            ),
        )
        for field in fields_of(schema)
        for values in [examples[field.name]]
    )


def original_violations(
    examples: Examples, images: Images, labels: np.ndarray, indices: np.ndarray
) -> list[Violation]:
    """Originals and labels that are not those of the dataset.

    Args:
      examples: the fields of a set, by name.
      images: of the dataset, float32 [D, H, W, C]; only those of the examples are taken.
      labels: theirs, int64 [D].
      indices: their positions in the source split, int64 [D].
    """
    order = np.argsort(indices)
    found = np.searchsorted(indices, examples["index"], sorter=order)
    rows = order[np.minimum(found, len(order) - 1)]
    absent = indices[rows] != examples["index"]
    original, label = examples["original"], examples["label"]
    expected = images[rows]
    # Bit by bit, so that -0.0 is not 0.0.
    bits = np.ascontiguousarray(original).view(np.uint32)
    changed = ~absent & (bits != expected.view(np.uint32)).reshape(len(bits), -1).any(axis=1)
    return kept(
        [
            violation("index", absent, lambda i: "the dataset has no image of this index"),
            violation(
                "original",
                changed,
                lambda i: (
                    "original differs from the dataset's image by up to "
                    f"{np.abs(original[i] - expected[i]).max():.3g}"
                ),
            ),
            compared("label", label, np.where(absent, label, labels[rows]), "in the dataset"),
        ]
    )


def prediction_violations(examples: Examples, classifier: Classifier) -> list[Violation]:
    """Classes and successes that are not those which the model gives to the images as stored.

    Of the successes only those that ``success_violations`` cannot judge.

    Args:
      examples: the fields of a set, by name.
      classifier: its model.
    """
    logits = predict_logits(classifier, examples["original"])
    claimed, found = unanswered(examples), is_unanswered(logits)
    before = most_likely_class(logits)
    violations = [
        compared("original_prediction", examples["original_prediction"], before, "by the model")
    ]
    for suffix, image in _images(examples).items():
        name = f"success{suffix}"
        answer = predict_logits(classifier, image)
        prediction, success = judge(answer, examples["label"], examples["target"], before)
        claims = examples[name]
        at_odds = claims != (success & ~found)
        # Otherwise it is the class that is wrong, or success does not follow from it.
        at_odds &= (examples[f"prediction{suffix}"] == prediction) & ~_contradicted(
            examples, suffix
        )
        nan = is_unanswered(answer)
        violations += [
            compared(
                f"prediction{suffix}", examples[f"prediction{suffix}"], prediction, "by the model"
            ),
            violation(
                name,
                at_odds,
                lambda i, name=name, claims=claims, nan=nan: (  # type: ignore[misc]
                    f"{name} is {claims[i]}; the model returns {_numbers(nan[i])} for the image"
                ),
            ),
        ]
    return kept(
        [
            *violations,
            violation(
                "status",
                claimed != found,
                lambda i: (
                    f"status is {examples['status'][i]} after {examples['evaluations'][i]} "
                    f"evaluations; the model returns {_numbers(found[i])}"
                ),
            ),
        ]
    )


def success_violations(examples: Examples) -> list[Violation]:
    """Successes, and failures, that the stored classes contradict.

    Success is the target's class, or any but the true one where nothing was aimed at: because the
    attack is untargeted, or the image was misclassified to begin with. An image that was not
    attacked because the model returned NaN is none. The original itself, or rounded, may be a
    failure with any class, since the model may return NaN for it: ``prediction_violations`` tells.

    Args:
      examples: the fields of a set, by name.
    """
    return kept(
        violation(
            name,
            _contradicted(examples, suffix),
            lambda i, name=name: (  # type: ignore[misc]
                f"{name} is {examples[name][i]}; by the class it is {1 - examples[name][i]}"
            ),
        )
        for suffix in _images(examples)
        for name in [f"success{suffix}"]
    )


def _contradicted(examples: Examples, suffix: str) -> np.ndarray:
    """Claims of success, or of failure, that the stored classes rule out: bool [N]."""
    claimed = examples[f"success{suffix}"]
    success = succeeds(
        examples[f"prediction{suffix}"],
        examples["label"],
        examples["target"],
        examples["original_prediction"],
    )
    success &= ~unanswered(examples)
    original, image = examples["original"], _images(examples)[suffix]
    nothing_found = np.zeros(len(claimed), bool)
    for plain in (original, from_uint8(round_to_uint8(original))):
        nothing_found |= (image == plain).all(axis=(1, 2, 3))
    return (claimed != success) & ~(nothing_found & (claimed == 0))


def _images(examples: Examples) -> dict[str, np.ndarray]:
    """The images that a set has, float32, by what the names of their claims end in."""
    images = {"": examples["image"]}
    if "image_uint8" in examples:
        images["_uint8"] = from_uint8(examples["image_uint8"])
    return images


def _numbers(nan: bool) -> str:
    return "NaN" if nan else "numbers"


def size_violations(examples: Examples) -> list[Violation]:
    """Sizes of perturbations that are not those of the pixels, by more than float32's rounding.

    Args:
      examples: the fields of a set, by name.
    """
    count = len(examples["original"])
    original = examples["original"].reshape(count, -1).astype(np.float64)
    change = examples["image"].reshape(count, -1) - original
    square = np.einsum("ij,ij->i", change, change)
    sizes = {
        "distortion": np.sqrt(square / change.shape[1]),
        "l2": np.sqrt(square),
        "linf": np.abs(change, out=change).max(axis=1),
    }
    if "image_uint8" in examples:
        change = np.subtract(
            from_uint8(examples["image_uint8"]).reshape(count, -1), original, out=change
        )
        square = np.einsum("ij,ij->i", change, change)
        sizes["distortion_uint8"] = np.sqrt(square / change.shape[1])
    return kept(
        violation(
            name,
            ~np.isclose(examples[name], size, rtol=_TOLERANCE, atol=np.finfo(np.float32).tiny),
            lambda i, name=name, size=size: (  # type: ignore[misc]
                f"{name} is {examples[name][i]:.7g}; recomputed from the pixels: {size[i]:.7g}"
            ),
        )
        for name, size in sizes.items()
    )


def repeated_indices(examples: Examples) -> list[Violation]:
    """Examples of an image that another one before them is of.

    Args:
      examples: the fields of a set, by name.
    """
    index = examples["index"]
    repeated = np.ones(len(index), bool)
    repeated[np.unique(index, return_index=True)[1]] = False
    return kept(
        [violation("index", repeated, lambda i: f"index {index[i]} is that of an earlier example")]
    )


def summary_differences(examples: Examples, summary: Mapping[str, Any]) -> list[str]:
    """What of a manifest's summary does not follow from the examples, a line each.

    Args:
      examples: the fields of a set, by name.
      summary: what ``summarize_distortions`` gave.
    """
    found = summarize_distortions(examples, seconds=1.0)
    lines = [f"summary: {name} is missing" for name in found if name not in summary]
    for name, value in summary.items():
        if name not in found:
            lines.append(f"summary: {name} is unknown")
        elif name in _UNREPEATABLE:
            if not (_is_number(value) and value >= 0):
                lines.append(f"summary: {name} is {value}; expected a number")
        elif not _same(value, found[name]):
            lines.append(f"summary: {name} is {value}; recomputed {found[name]}")
    return lines


def warning_differences(examples: Examples, card: Mapping[str, Any]) -> list[str]:
    """What of a quality card's warnings does not follow from the examples and its own checks.

    Args:
      examples: the fields of a set, by name.
      card: what ``make_quality_card`` gave.
    """
    checks = card["checks"]
    were = attacked(examples)
    searched = np.isin(examples["status"].astype(str), ("not finite", "evaluation limit"))
    limits = {
        "checked": int(np.count_nonzero(were)),
        **{name: checks["checked"] for name in _counted(checks)},
    }
    lines = [
        f"quality card: {name} is {checks[name]}; expected at most {limit}"
        for name, limit in limits.items()
        if checks[name] > limit
    ]
    if (searched & ~were & ~unanswered(examples)).any():
        lines.append("quality card: images that were not attacked have the status of a search")
    if lines:
        return lines
    given, found = (
        {warning["id"]: warning["count"] for warning in some["warnings"]}
        for some in (card, make_quality_card(examples, checks))
    )
    return [
        f"quality card: {name} of {given.get(name, 0)} examples; recomputed {found.get(name, 0)}"
        for name in sorted(given.keys() | found.keys())
        if given.get(name) != found.get(name)
    ]


def _counted(checks: Mapping[str, Any]) -> list[str]:
    return [name for name, value in checks.items() if _is_number(value) and name != "checked"]


def _same(claimed: Any, found: Any) -> bool:
    """Equal, numbers but for rounding in another order of adding."""
    if isinstance(claimed, Mapping) and isinstance(found, Mapping):
        return claimed.keys() == found.keys() and all(_same(claimed[k], found[k]) for k in found)
    if _is_number(claimed) and _is_number(found):
        return bool(np.isclose(claimed, found, rtol=1e-9, atol=0))
    return type(claimed) is type(found) and bool(claimed == found)


def _is_number(value: Any) -> bool:
    """Unlike Python, which takes true for 1."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def compared(claim: str, claimed: np.ndarray, found: np.ndarray, where: str) -> Violation:
    """Numbers [N] that are not those ``found`` [N] by what ``where`` names."""
    return violation(
        claim, claimed != found, lambda i: f"{claim} is {claimed[i]}; {where} it is {int(found[i])}"
    )


def violation(claim: str, wrong: np.ndarray, describe: Callable[[int], str]) -> Violation:
    """Examples that are ``wrong``, bool [N], the first few described by their numbers."""
    numbers = np.flatnonzero(wrong)
    return Violation(claim, numbers, tuple(describe(int(i)) for i in numbers[:_DESCRIBED]))


def kept(violations: Iterable[Violation]) -> list[Violation]:
    """The violations of any example at all."""
    return [found for found in violations if found.numbers.size]


def _shown(value: np.ndarray) -> str:
    """A number, or the ends of an image's."""
    return f"{value:g}" if value.ndim == 0 else f"{value.min():g} to {value.max():g}"
