"""Measures what a step of the attack costs, and whether cost and memory stay flat.

Example:
  python -m benchmarks.scaling --output_dir=results/benchmark
"""

import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import psutil
import tensorflow as tf
from absl import app, flags

from benchmarks import squeezenet
from benchmarks.report import commit
from tfblindspots.artifacts import build_manifest, write_json
from tfblindspots.attacks import find_float_examples
from tfblindspots.attacks.compiled_search import CompiledSearch
from tfblindspots.attacks.efforts import choose_effort
from tfblindspots.attacks.objectives import Goal, margin_and_loss
from tfblindspots.attacks.rolling_batch import Images
from tfblindspots.attacks.search_state import RUNNING, SearchState
from tfblindspots.data import in_memory, load_dataset
from tfblindspots.models import Classifier, load_classifier, predict_classes
from tfblindspots.solvers import SQUARED_L2

FLAGS = flags.FLAGS
flags.DEFINE_string("data_dir", None, "Where TensorFlow Datasets keeps its data.")
flags.DEFINE_string(
    "imagenet_weights", None, "SqueezeNet's weights (.npz); without them it is left out."
)
flags.DEFINE_string("output_dir", "results/benchmark", "Gets scaling.json.")
_STEPS = 8
_SECONDS = 30  # of turns of the two


def _step_cost(
    classifier: Classifier, images: np.ndarray, labels: np.ndarray, xla: bool
) -> dict[str, Any]:
    """Milliseconds of a bare value and gradient, and of a step of the compiled loop around it.

    Both the fastest of some turns: for seconds at a time the machine slows what XLA compiled to a
    third, of several compiled loops all at once, and the model without XLA not at all.
    """
    slots = len(images)
    points = images.reshape(slots, -1)
    effort = choose_effort("standard", not xla, points.shape[1])
    search = CompiledSearch(classifier, SQUARED_L2, effort.direct, slots=slots, quantum=1, xla=xla)
    goal = Goal(tf.constant(labels, tf.int64), tf.fill([slots], tf.constant(-1, tf.int64)))

    @tf.function(jit_compile=xla, autograph=False)
    def bare(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            logits = classifier.logits(tf.reshape(x, images.shape))
            margin, loss = margin_and_loss(logits, goal, tf.ones(slots))
        return margin, loss, tape.gradient(loss, x)

    batch = tf.constant(points)
    margin = bare(batch)[0].numpy()
    limit = np.full(slots, 1 << 20, np.int64)
    goals = (np.asarray(labels, np.int64), np.full(slots, -1, np.int64))
    work = Images(points, *goals, margin, np.zeros((slots, 3), np.int64), limit).problem()

    def advance(state: SearchState, steps: int, begin: bool = False) -> SearchState:
        return search.advance(
            state,
            tf.fill([slots], begin),
            work,
            *(tf.constant(count, tf.int64) for count in (steps, 0)),
        )

    state = advance(search.empty, 2, begin=True)
    # The loop evaluates only the slots in work without XLA; few end within these steps.
    in_work = [
        int(np.count_nonzero(reached.status.numpy() == RUNNING))
        for reached in (state, advance(state, _STEPS))
    ]
    alone, loop = [], []
    began = time.perf_counter()
    while time.perf_counter() - began < _SECONDS:
        start = time.perf_counter()
        for _ in range(_STEPS):
            bare(batch)[2].numpy()
        middle = time.perf_counter()
        advance(state, _STEPS).status.numpy()
        alone.append((middle - start) / _STEPS)
        loop.append((time.perf_counter() - middle) / _STEPS)
    share = 1.0 if xla else float(np.mean(in_work)) / slots
    return {
        "slots": slots,
        "slots_in_work": in_work,
        "bare_ms": 1e3 * min(alone),
        "step_ms": 1e3 * min(loop),
        "ratio": min(loop) / min(alone) / share,
    }


def _cost_by_count(
    classifier: Classifier, images: np.ndarray, labels: np.ndarray, counts: list[int]
) -> dict[str, float]:
    """Milliseconds an image, by the number of images: the fastest of some runs."""
    cost = {}
    for count in counts:
        seconds = []
        for _ in range(4 if count < 10_000 else 2):
            start = time.perf_counter()
            find_float_examples(classifier, images[:count], labels[:count])
            seconds.append(time.perf_counter() - start)
        cost[str(count)] = 1e3 * min(seconds) / count
    return cost


def _memory(classifier: Classifier, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Resident MiB by the number of images attacked before, in parts of 1,000."""
    process = psutil.Process()
    resident = {}
    for part in range(21):
        rows = slice(1000 * part, 1000 * (part + 1))
        find_float_examples(classifier, images[rows], labels[rows])
        if part % 5 == 0:
            resident[str(1000 * (part + 1))] = process.memory_info().rss / 2**20
    return resident


def main(argv: list[str]) -> None:
    """Measures and writes."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments: {argv[1:]}")
    began = time.perf_counter()
    dataset = load_dataset("mnist", "train[:22000]", FLAGS.data_dir)
    images, labels = in_memory(dataset.images, "a benchmark"), dataset.labels
    dense = load_classifier("saved_models/mnist/fc100-100-10")
    lenet = load_classifier("saved_models/benchmark/lenet")
    correct = predict_classes(lenet, images[:300]) == labels[:300]
    some, theirs = images[:300][correct][:256], labels[:300][correct][:256]
    steps = {
        "fc100-100-10": _step_cost(dense, images[:256], labels[:256], xla=True),
        "lenet": _step_cost(lenet, some, theirs, xla=False),
    }
    if FLAGS.imagenet_weights:
        net, photos, classes = squeezenet.load(FLAGS.imagenet_weights, FLAGS.data_dir, 32)
        right = predict_classes(net, photos) == classes
        steps["squeezenet"] = _step_cost(net, photos[right][:16], classes[right][:16], xla=False)
    result = {
        "step": steps,
        "milliseconds_an_image": {
            "fc100-100-10": _cost_by_count(dense, images, labels, [256, 1024, 4096, 16384]),
            "lenet": _cost_by_count(lenet, images, labels, [256, 1024]),
        },
        "resident_mib": _memory(dense, images, labels),
    }
    manifest = build_manifest(
        "scaling",
        flags={},
        seed=0,
        inputs={"dataset": dataset.fingerprint},
        seconds=time.perf_counter() - began,
        cores=os.cpu_count(),
        commit=commit(),
    )
    output = Path(FLAGS.output_dir)
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / "scaling.json", {**manifest, **result})
    print(result)


if __name__ == "__main__":
    app.run(main)
