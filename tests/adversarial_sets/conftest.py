"""Adversarial examples of no model, which fit the schema."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfblindspots.adversarial_sets import AdversarialSetWriter
from tfblindspots.artifacts import build_manifest

IMAGE_SHAPE = (4, 3, 2)
NUM_CLASSES = 5


@pytest.fixture
def make_examples() -> Callable[..., dict[str, np.ndarray]]:
    """A function from a number of examples, and fields to replace, to the arrays of a set."""

    def make(count: int, **replaced: Any) -> dict[str, np.ndarray]:
        generator = np.random.default_rng(count)

        def integers(high: int) -> np.ndarray:
            return generator.integers(high, size=count)

        def floats(*shape: int) -> np.ndarray:
            return generator.random((count, *shape), np.float32)

        label = integers(NUM_CLASSES)
        examples = {
            "image": floats(*IMAGE_SHAPE),
            "original": floats(*IMAGE_SHAPE),
            "image_uint8": generator.integers(256, size=(count, *IMAGE_SHAPE), dtype=np.uint8),
            "label": label,
            "original_prediction": label,
            "prediction": (label + 1) % NUM_CLASSES,
            "target": np.full(count, -1),
            "success": np.ones(count, np.int64),
            "index": integers(10**9),
            "c": floats(),
            "distortion": floats(),
            "l2": floats(),
            "linf": floats(),
            "prediction_uint8": (label + 1) % NUM_CLASSES,
            "success_uint8": np.ones(count, np.int64),
            "distortion_uint8": floats(),
            "evaluations": integers(1000),
            "status": np.array(["converged", "évaluations épuisées"], object)[integers(2)],
        }
        return {**examples, **replaced}

    return make


@pytest.fixture
def make_writer(tmp_path: Path) -> Callable[..., AdversarialSetWriter]:
    """A function from arguments to replace to a writer into ``tmp_path / "set"``."""

    def make(directory: Path = tmp_path / "set", **replaced: Any) -> AdversarialSetWriter:
        arguments: dict[str, Any] = {
            "image_shape": IMAGE_SHAPE,
            "class_names": list("abcde"),
            "source_split": "train",
            "num_examples": 23,
            "shard_size": 10,
        }
        return AdversarialSetWriter(directory, **(arguments | replaced))

    return make


@pytest.fixture
def manifest() -> dict[str, Any]:
    return build_manifest("adversarial_set", flags={"seed": 0}, seed=0, inputs={}, seconds=1.0)


@pytest.fixture
def write_set(
    make_writer: Callable[..., AdversarialSetWriter],
    make_examples: Callable[..., dict[str, np.ndarray]],
    manifest: dict[str, Any],
) -> Callable[[], dict[str, np.ndarray]]:
    """A function that writes a whole set of 23 examples in three shards and returns them."""

    def write() -> dict[str, np.ndarray]:
        examples = make_examples(23)
        writer = make_writer()
        for shard in writer.missing_shards():
            part = slice(*writer.shard_range(shard))
            writer.write_shard(shard, {name: values[part] for name, values in examples.items()})
        writer.finish(manifest)
        return examples

    return write
