"""Nothing of the compiled attack needs the host of a GPU; what does is found."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from benchmarks.device_placement import functions, host_work, open_shapes
from tfblindspots.attacks.compiled_search import CompiledSearch
from tfblindspots.attacks.efforts import choose_effort
from tfblindspots.models import Classifier, L2Pooling2D, LocallyConnected2D, load_classifier
from tfblindspots.solvers import SQUARED_L2

_SLOTS = 6
_LAYERS = {
    "dense": [keras.layers.Flatten(), keras.layers.Dense(8, "sigmoid")],
    "convolutional": [
        keras.layers.Conv2D(4, 3, activation="relu"),
        keras.layers.MaxPooling2D(2),
        keras.layers.Flatten(),
    ],
    "local": [LocallyConnected2D(3, 3, 2), L2Pooling2D(2, 1), keras.layers.Flatten()],
}


def _classifier(kind: str) -> Classifier:
    model = keras.Sequential([keras.Input((8, 8, 1)), *_LAYERS[kind], keras.layers.Dense(10)])
    return load_classifier(model)


@pytest.mark.parametrize(
    ("kind", "xla"),
    [("dense", True), ("convolutional", True), ("convolutional", False), ("local", True)],
)
def test_nothing_needs_the_host_and_the_loops_shapes_are_fixed(kind: str, xla: bool) -> None:
    parts = functions(_classifier(kind), _SLOTS, xla)
    found = {name: host_work(part, _SLOTS, whole) for name, (part, whole) in parts.items()}
    assert found == {name: [] for name in parts}
    assert {name: open_shapes(part) for name, (part, _) in parts.items()} == found


@pytest.mark.parametrize("kind", ["convolutional", "local"])  # dense networks: by default
def test_xla_compiles_the_whole_search(kind: str) -> None:
    settings = choose_effort("fast", kind == "convolutional", 64).direct
    search = CompiledSearch(
        _classifier(kind), SQUARED_L2, settings, slots=_SLOTS, quantum=None, xla=True
    )
    search.compile()
    assert search.advance.function_def.attr["_XlaMustCompile"].b


def _reasons(function: object, *arguments: tf.TensorSpec, compiled: bool = False) -> set[str]:
    concrete = tf.function(function, autograph=False).get_concrete_function(*arguments)
    return {finding.reason for finding in host_work(concrete, _SLOTS, compiled)}


def test_what_needs_the_host_is_found() -> None:
    numbers = tf.TensorSpec([_SLOTS], tf.float32)
    whole = tf.TensorSpec([_SLOTS], tf.int32)
    assert _reasons(lambda x: tf.exp(x) * tf.reduce_sum(x), numbers) == set()
    assert "no kernel for GPUs" in _reasons(
        lambda x: tf.py_function(np.sin, [tf.strings.as_string(x)], tf.float32), numbers
    )
    assert _reasons(lambda x: x + 1, whole) == {
        "whole numbers of 32 bits for each image, which lie in the host's memory"
    }
    assert "waits for the host" in _reasons(lambda x: tf.where(x > 0), numbers)
    assert "fetches shape from the GPU, int32 (1,)" in _reasons(
        lambda x: tf.reshape(x, tf.cast(x[:1], tf.int32)), numbers
    )
    assert "unknown to XLA on GPUs" in _reasons(tf.strings.as_string, numbers, compiled=True)
    # In a function that a function calls, too.
    inner = tf.function(lambda x: tf.where(x > 0), autograph=False)
    assert "waits for the host" in _reasons(lambda x: inner(x), numbers)


def test_open_shapes_are_found() -> None:
    def loop(x: tf.Tensor) -> tf.Tensor:
        def longer(step: tf.Tensor, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return step + 1, tf.concat([x, x], 0)

        invariants = (tf.TensorShape([]), tf.TensorShape([None]))
        return tf.while_loop(lambda step, _: step < 3, longer, (0, x), invariants)[1]

    concrete = tf.function(loop, autograph=False).get_concrete_function(tf.TensorSpec([2]))
    assert any("ConcatV2" in text for text in open_shapes(concrete))
