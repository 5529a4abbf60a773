"""Whether a set's manifest holds what it should where it should: text, numbers, lists of them."""

import math
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tfblindspots.adversarial_sets.layout import Layout
from tfblindspots.errors import InputError

# Of any whole number that is stored, so that NumPy holds it too.
_LARGEST = 2**63 - 1


class _Type(NamedTuple):
    """What a value should be."""

    text: str
    holds: Callable[[Any], bool]


class _May(NamedTuple):
    """What a key holds that may be missing."""

    kind: Any


def _is_whole(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")


def _list_of(item: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(item, value))


_TEXT = _Type("text", lambda value: isinstance(value, str))
_WHOLE = _Type("a whole number", _is_whole)
_HASH = _Type("a SHA-256 in hexadecimal", _is_hash)
_NUMBERS = _Type("numbers", _list_of(_is_number))
_HASHES = _Type(
    "a SHA-256 for each file's name",
    lambda value: isinstance(value, dict) and all(map(_is_hash, value.values())),
)
_BITS = _Type("null or 8", lambda value: value is None or (type(value) is int and value == 8))
_COUNT = _Type("null or a whole number", lambda value: value is None or _is_whole(value))
_MODEL = {
    "name": _May(_TEXT),
    "fingerprint": _May(_TEXT),
    "weights_fingerprint": _May(_TEXT),
    "layer": _May(_TEXT),
    "settings": _May(
        {
            "output_kind": _May(_TEXT),
            "channel_order": _May(_TEXT),
            "data_format": _May(_TEXT),
            "pixel_range": _May(_NUMBERS),
            "mean": _May(_NUMBERS),
            "std": _May(_NUMBERS),
        }
    ),
}
_CHECKED = (
    *("checked", "not_finite_logits", "differing_logits", "not_finite_gradients"),
    *("zero_gradients", "flat_losses", "saturated_probabilities", "rounded_margins"),
)
# By key, in the order of the manifest; other keys are free.
_MANIFEST = {
    "schema": _Type("a whole number from 1 on", lambda value: _is_whole(value) and value > 0),
    "version": _TEXT,
    "flags": {"num_examples": _May(_COUNT), "sample": _May(_COUNT)},
    "inputs": {
        "model": _May(_MODEL),
        "dataset": _May(
            {
                "name": _May(_TEXT),
                "split": _May(_TEXT),
                "fingerprint": _May(_TEXT),
                "count": _May(_WHOLE),
            }
        ),
    },
    "dataset": _May(_TEXT),
    "split": _May(_TEXT),
    "model": _May(_MODEL),
    "attack": _May({"target": _TEXT, "seed": _WHOLE, "bits": _May(_BITS)}),
    "summary": _May({}),
    "quality_card": _May(
        {
            "checks": dict.fromkeys(_CHECKED, _WHOLE),
            "warnings": _Type(
                "warnings, each with id and count",
                _list_of(
                    lambda value: (
                        isinstance(value, dict)
                        and isinstance(value.get("id"), str)
                        and _is_whole(value.get("count"))
                    )
                ),
            ),
        }
    ),
    "image_shape": _Type("height, width and channels", _list_of(_is_whole)),
    "class_names": _Type("a list of texts", _list_of(lambda value: isinstance(value, str))),
    "source_split": _TEXT,
    "num_examples": _WHOLE,
    "shard_size": _WHOLE,
    "shards": _HASHES,
}


def check_manifest(manifest: Mapping[str, Any], path: str | os.PathLike[str]) -> Layout:
    """The layout of a set whose manifest holds values of the right types, before they are used.

    Args:
      manifest: of the set; somebody else's, perhaps.
      path: where it was read from, for the message.

    Raises:
      InputError: a value is of another type than its key's, or there are not as many shards as
        the numbers of examples say.
    """
    newer = {"files": _HASHES} if manifest["schema"] != 1 else {"files": _May(_HASHES)}
    problem = _problem("", manifest, _MANIFEST | newer)
    if problem:
        raise InputError(f"{path} {problem}. Copy the set again, or make it again.")
    layout = Layout.from_manifest(manifest, path)
    # Before all their names are made: there may be as many as numbers can say.
    if layout.num_shards != len(manifest["shards"]):
        raise InputError(
            f"{path} lists {len(manifest['shards'])} shards; expected {layout.num_shards} of "
            f"{layout.num_examples} examples, {layout.shard_size} each. Copy the set again, or "
            "make it again."
        )
    return layout


def _problem(key: str, value: Any, kind: Any) -> str | None:
    """What is wrong with the value of a key; None where nothing is."""
    if isinstance(kind, _Type):
        return None if kind.holds(value) else f"has another {key} than {kind.text}"
    if not isinstance(value, Mapping):
        return f"has another {key} than an object with keys"
    for name, inner in kind.items():
        inner_key = f"{key}.{name}" if key else name
        if name not in value:
            if isinstance(inner, _May):
                continue
            return f"lacks {inner_key}"
        problem = _problem(inner_key, value[name], inner.kind if isinstance(inner, _May) else inner)
        if problem:
            return problem
    return None
