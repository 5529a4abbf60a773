"""A manifest of the wrong types is refused in one line that names the key."""

import copy
from typing import Any

import pytest

from tests.adversarial_sets.tampering import EXAMPLE_SET, SCHEMA_1
from tfblindspots.adversarial_sets import Layout, check_manifest
from tfblindspots.artifacts import MANIFEST, read_json
from tfblindspots.errors import InputError

MISSING = object()


@pytest.mark.parametrize("directory", [EXAMPLE_SET, SCHEMA_1])
def test_manifests_as_they_were_written_pass(directory: Any) -> None:
    manifest = read_json(directory / MANIFEST)
    assert check_manifest(manifest, "it") == Layout.from_manifest(manifest, "it")


def _forged(key: str, value: Any) -> dict[str, Any]:
    manifest = copy.deepcopy(read_json(EXAMPLE_SET / MANIFEST))
    inner = manifest
    *outer, last = key.split(".")
    for name in outer:
        inner = inner[name]
    inner[last] = value
    if value is MISSING:
        del inner[last]
    return manifest


@pytest.mark.parametrize(
    ("key", "values", "text"),
    [
        ("schema", [0, -1], "a whole number from 1 on"),
        ("version", [None, 1], "text"),
        ("num_examples", [360.0, "360", True, -1, 10**30], "a whole number"),
        ("shard_size", [100.0], "a whole number"),
        ("image_shape", [[8, 8, 1.0], "8,8,1", None, {}], "height, width and channels"),
        ("class_names", [[1, 2], "0123456789", {"0": 1}, None], "a list of texts"),
        ("source_split", [5], "text"),
        ("shards", ["x", 5, None, [1], {"a": 5}, {"a": "b"}], "a SHA-256 for each file's name"),
        ("files", [[], "x", 5, None], "a SHA-256 for each file's name"),
        ("model", [[], "x", 5, None], "an object with keys"),
        ("model.name", [5], "text"),
        ("model.fingerprint", [5, None], "text"),
        ("model.settings", [[], 5, "x"], "an object with keys"),
        ("inputs", [[], "x", 5, None], "an object with keys"),
        ("inputs.dataset", [[]], "an object with keys"),
        ("inputs.dataset.fingerprint", [5], "text"),
        ("dataset", [5, [], {}], "text"),
        ("split", [5, None], "text"),
        ("attack", [[], "x", 5, None], "an object with keys"),
        ("attack.target", [3], "text"),
        ("attack.seed", ["x", -1], "a whole number"),
        ("attack.bits", [16, True, "8"], "null or 8"),
        ("summary", [5, None, [], "x"], "an object with keys"),
        ("quality_card", [[], "x", 5, None], "an object with keys"),
        ("quality_card.checks.zero_gradients", ["x", 0.5], "a whole number"),
        ("quality_card.warnings", [{}, [{}], [{"id": "x"}]], "warnings, each with id and count"),
        ("flags", [5, None], "an object with keys"),
        ("flags.sample", ["x"], "null or a whole number"),
    ],
)
def test_values_of_other_types_are_named(key: str, values: list[Any], text: str) -> None:
    for value in values:
        with pytest.raises(InputError) as error:
            check_manifest(_forged(key, value), "it")
        end = ". Copy the set again, or make it again."
        assert str(error.value) == f"it has another {key} than {text}{end}"


@pytest.mark.parametrize(
    ("settings", "key"),
    [({"pixel_range": 5}, "pixel_range"), ({"mean": "x"}, "mean"), ({"mean": [[1]]}, "mean")],
)
def test_settings_of_a_model_are_named(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(InputError, match=f"it has another model.settings.{key} than numbers"):
        check_manifest(_forged("model.settings", settings), "it")


@pytest.mark.parametrize(
    "key", ["version", "shards", "files", "attack.target", "quality_card.checks.checked"]
)
def test_missing_keys_are_named(key: str) -> None:
    with pytest.raises(InputError, match=rf"^it lacks {key}\. Copy the set again"):
        check_manifest(_forged(key, MISSING), "it")


def test_more_shards_than_are_listed_are_refused_without_their_names() -> None:
    manifest = _forged("num_examples", 10**12) | {"shard_size": 1}
    with pytest.raises(InputError, match="lists 4 shards; expected 1000000000000 of"):
        check_manifest(manifest, "it")
