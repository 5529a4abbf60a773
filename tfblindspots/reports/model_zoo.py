"""The index of a folder of SavedModels, as Markdown."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from tfblindspots.reports import formatting
from tfblindspots.reports.formatting import escape_markdown

_HEADER = (
    *("model", "train error", "test error", "untargeted", "random target", "attacked"),
    *("parameters", "size", "fingerprint"),
)
# Of the datasets that no other project defines.
_DATASETS = {
    "digits": (
        "*digits* are scikit-learn's 1,797 of 8x8 pixels, divided by 16, in the two parts that "
        "`train_test_split(images / 16, labels, test_size=360, random_state=0, stratify=labels)` "
        "makes: 1,437 to train, 360 to test."
    ),
}
_INTRODUCTION = """\
# Trained models

<!-- Written by `python scripts/index_models.py --saved_models=saved_models`: edit nothing here. -->

SavedModels, ready to attack, or to use where nothing but TensorFlow is installed:

```python
import tensorflow as tf

model = tf.saved_model.load("saved_models/{example}")
images = tf.zeros([2, {shape}])  # float32 [any, height, width, channels] in [0, 1]
outputs = model.signatures["serving_default"](images=images)
print(outputs["logits"].shape, outputs["probabilities"].shape, outputs["classes"].shape)
```

The signature `activations` gives what each layer answers. `assets.extra/` holds the manifest (how
the model was trained, on what, with which seed), the Keras model (`model.keras`) and the minimum
distortions. The path of any of them is a `--saved_model` of the scripts.

*Errors* are shares of images that are classified wrongly. *Untargeted* and *random target* are mean
minimum distortions (root mean square change of a pixel, in [0, 1]) of the test images that are
classified correctly, *attacked* of them, by `scripts/index_models.py`, which measures what lacks
them; a share after it is that of the attacks that succeeded. *Fingerprint* is the beginning of the
SHA-256 by which sets and results name the model, the whole of it is at the end.
"""


def model_index_markdown(entries: Sequence[Mapping[str, Any]]) -> str:
    """A table for each folder of models, their fingerprints beneath.

    Args:
      entries: as ``index_models`` returns them.
    """
    first = entries[0]
    shape = ", ".join(map(str, first["image_shape"]))
    # In code nothing can be escaped.
    example = first["path"] if re.fullmatch(r"[\w./-]+", first["path"]) else "MODEL"
    parts = [_INTRODUCTION.format(example=example, shape=shape)]
    folders: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        folders.setdefault(PurePosixPath(entry["path"]).parent.as_posix(), []).append(entry)
    for folder, found in folders.items():
        rows = "".join(f"| {' | '.join(_cells(entry))} |\n" for entry in found)
        rule = f"| --- |{' ---: |' * (len(_HEADER) - 2)} --- |\n"
        table = f"| {' | '.join(_HEADER)} |\n{rule}{rows}"
        lines = [note for entry in found for note in _notes(entry)]
        named = {_dataset(entry["manifest"]) for entry in found}
        lines += [text for name, text in _DATASETS.items() if name in named]
        notes = "".join(f"- {line}\n" for line in lines)
        parts.append(f"## {escape_markdown(folder)}\n\n{table}\n{notes}")
    prints = "".join(f"- `{entry['fingerprint']}` {_name(entry)}\n" for entry in entries)
    parts.append(f"## Fingerprints\n\n{prints}")
    return "\n".join(parts)


def _cells(entry: Mapping[str, Any]) -> list[str]:
    manifest, measured = entry["manifest"], entry["minimum_distortion"]
    targets = measured["targets"] if measured else {}
    attacked = {found["attacked"] for found in targets.values()}
    return [
        escape_markdown(PurePosixPath(entry["path"]).name),
        _error(manifest, "train_error"),
        _error(manifest, "test_error"),
        _distortion(targets.get("untargeted")),
        _distortion(targets.get("random")),
        ", ".join(map(formatting.count, sorted(attacked))) or formatting.MISSING,
        formatting.count(entry["parameters"]),
        f"{entry['bytes'] / 1e6:.2f} MB",
        f"`{entry['fingerprint'][:12]}`",
    ]


def _error(manifest: Mapping[str, Any], which: str) -> str:
    """An ``ErrorRate``, or the bare rate that the benchmark's networks have."""
    error = manifest.get(which)
    if error is None:
        return formatting.percent(manifest.get("errors", {}).get(which))
    return f"{formatting.percent(error['rate'])} ({error['errors']:,} of {error['count']:,})"


def _distortion(summary: Mapping[str, Any] | None) -> str:
    if summary is None:
        return formatting.MISSING
    text = formatting.distortion(summary["mean_distortion_correct"])
    rate = summary["success_rate"]
    return text if rate in (1, None) else f"{text} ({formatting.percent(rate)})"


def _notes(entry: Mapping[str, Any]) -> list[str]:
    notes = []
    manifest, measured = entry["manifest"], entry["minimum_distortion"]
    data = _dataset(manifest)
    title = manifest.get("title")
    if title or data:
        trained = f"trained on {escape_markdown(data)}" if data else ""
        parts = [escape_markdown(title) if title else "", trained]
        notes.append(f"{_name(entry)}: {', '.join(part for part in parts if part)}.")
    sample = measured["flags"]["sample"] if measured else None
    if sample is not None:
        seed = measured["seed"]
        notes.append(
            f"{_name(entry)}: attacked on {formatting.count(sample)} images drawn at random "
            f"(seed {seed})."
        )
    robust = manifest.get("errors", {}).get("test_error_pgd_40")
    if robust is not None:
        notes.append(
            f"{_name(entry)}: test error under 40 steps of projected gradient descent, L-infinity "
            f"radius 0.3: {formatting.percent(robust)}."
        )
    return notes


def _dataset(manifest: Mapping[str, Any]) -> str | None:
    return manifest.get("dataset", manifest["flags"].get("dataset"))


def _name(entry: Mapping[str, Any]) -> str:
    return escape_markdown(entry["path"])
