"""Whether examples are such as the attack makes that their manifest describes."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfblindspots.analysis.verification import Examples, Violation, compared, kept, violation
from tfblindspots.attacks import TARGETS, AttackConfig, attacked, choose_targets
from tfblindspots.data import from_uint8
from tfblindspots.errors import InputError
from tfblindspots.models import Classifier, predict_logits

# What a manifest of an attack has, and no other.
_TOGETHER = ("attack", "dataset", "split", "summary", "quality_card")
# Beside the largest logit of the image: likelihoods that differ by less are equally far.
_ROUNDING = 1e-4


def target_violations(
    examples: Examples, attack: Mapping[str, Any], num_classes: int
) -> list[Violation]:
    """Targets that an attack does not have.

    Args:
      examples: the fields of a set, by name.
      attack: ``target`` and ``seed`` of its `AttackConfig`.
      num_classes: of the model.
    """
    label, target = examples["label"], examples["target"]
    prediction, name = examples["original_prediction"], attack["target"]
    if name == "untargeted" or name.isdecimal():
        # A number of more digits is no class.
        wanted = -1 if name == "untargeted" else int(name[:10])
        wrong = target != wanted
    elif name == "random":
        # Random targets depend on the logits by the predicted class alone.
        logits = np.eye(num_classes, dtype=np.float32)[prediction]
        drawn = choose_targets(name, logits, label, examples["index"], attack["seed"])[:, 0]
        return kept([compared("target", target, drawn, f"by the seed {attack['seed']}")])
    else:
        wrong = (prediction == label) & ((target < 0) | (target == label) | (name not in TARGETS))
    return kept(
        [violation("target", wrong, lambda i: f"target is {target[i]} with the attack {name}")]
    )


def likelihood_violations(
    examples: Examples, target: str, classifier: Classifier
) -> list[Violation]:
    """Targets that are not the most or the least likely class, where the attack takes that one.

    Args:
      examples: the fields of a set, by name.
      target: of its `AttackConfig`.
      classifier: its model.
    """
    if target not in ("most_likely", "least_likely"):
        return []
    logits = predict_logits(classifier, examples["original"])
    label = examples["label"]
    wanted = choose_targets(target, logits, label, examples["index"], 0)[:, 0]
    rows = np.arange(len(label))
    apart = np.abs(logits[rows, wanted] - logits[rows, examples["target"]])
    wrong = (examples["original_prediction"] == label) & (
        apart > _ROUNDING * np.abs(logits).max(axis=1)
    )
    expected = np.where(wrong, wanted, examples["target"])
    return kept([compared("target", examples["target"], expected, f"as {target}")])


def unattacked_violations(examples: Examples) -> list[Violation]:
    """Images that were misclassified or given NaN to begin with, and changed nevertheless.

    Args:
      examples: the fields of a set of floats, by name; one of ``bits=8`` may round such an image.
    """
    changed = (examples["image"] != examples["original"]).reshape(len(examples["index"]), -1)
    wrong = changed.any(axis=1) & ~attacked(examples)
    return kept(
        [violation("image", wrong, lambda i: "image differs from original, which is not attacked")]
    )


def eight_bit_violations(examples: Examples) -> list[Violation]:
    """Images of an attack with ``bits=8`` that are not their 8-bit image.

    Args:
      examples: the fields of a set, by name.
    """
    apart = np.abs(examples["image"] - from_uint8(examples["image_uint8"]))
    apart = apart.reshape(len(apart), -1).max(axis=1)
    return kept(
        [
            violation(
                "image",
                apart != 0,
                lambda i: f"image differs from image_uint8 / 255 by up to {apart[i]:.3g}",
            )
        ]
    )


def settings_differences(manifest: Mapping[str, Any]) -> list[str]:
    """What a manifest says in two places and not the same, or of an attack that there is not.

    Args:
      manifest: of a set, of the right types; of one that says nothing of an attack there is nothing
        to compare.

    Returns:
      A line each.
    """
    there = [name for name in _TOGETHER if name in manifest]
    if not there:
        return []
    lines = [f"{name} is missing, beside {there[0]}" for name in _TOGETHER if name not in manifest]
    if lines:
        return lines
    attack, flags, inputs = manifest["attack"], manifest["flags"], manifest["inputs"]
    known = {field.name for field in dataclasses.fields(AttackConfig)}
    try:
        AttackConfig(**{name: value for name, value in attack.items() if name in known})
    except (InputError, TypeError) as error:
        lines.append(f"attack: {error}")
    target = attack["target"]
    if target.isdecimal() and int(target[:10]) >= len(manifest["class_names"]):
        lines.append(f"attack: target {target} is no class of the model")
    dataset = inputs.get("dataset", {})
    said = [
        *((f"attack.{name}", value, flags, name) for name, value in attack.items()),
        ("attack.seed", attack["seed"], manifest, "seed"),
        ("dataset", manifest.get("dataset"), flags, "dataset"),
        ("dataset", manifest.get("dataset"), dataset, "name"),
        ("split", manifest.get("split"), flags, "split"),
        ("split", manifest.get("split"), dataset, "split"),
        ("model", manifest.get("model"), inputs, "model"),
        ("shard_size", manifest["shard_size"], flags, "shard_size"),
    ]
    for key, value, where, name in said:
        if name not in where or _other(where[name], value):
            other = where.get(name, "missing")
            lines.append(f"{key} is {value}, and elsewhere in the manifest {other}")
    lines += _count_differences(manifest)
    return lines


def _count_differences(manifest: Mapping[str, Any]) -> list[str]:
    """Whether there are as many examples as the flags choose of the dataset."""
    flags, count = manifest["flags"], manifest["num_examples"]
    there = manifest["inputs"].get("dataset", {}).get("count")
    if there is None or not {"num_examples", "sample"} <= flags.keys():
        return ["inputs or flags do not say how many images were to be attacked"]
    first = flags.get("num_examples")
    expected = flags.get("sample") or (there if first is None else min(first, there))
    # With a class as the target, images of that class are left out.
    fewer = manifest["attack"]["target"].isdecimal() and not flags.get("sample")
    if count == expected or (fewer and count < expected):
        return []
    return [f"num_examples is {count}; the flags choose {expected} of {there} images"]


def _other(claimed: Any, found: Any) -> bool:
    return type(claimed) is not type(found) or claimed != found
