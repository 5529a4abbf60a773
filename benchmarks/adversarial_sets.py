"""Measures how fast adversarial sets are written, read and verified, and how large they are.

Example:
  python -m benchmarks.adversarial_sets --output_dir=results/benchmark
"""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from absl import app, flags

from benchmarks.report import commit
from tfblindspots.adversarial_sets import read_adversarial_set, write_adversarial_set
from tfblindspots.artifacts import build_manifest, write_json
from tfblindspots.attacks import AttackConfig
from tfblindspots.data import load_dataset
from tfblindspots.experiments import make_adversarial_set, verify_adversarial_set
from tfblindspots.models import load_classifier

_MODEL = "saved_models/mnist/fc100-100-10"

FLAGS = flags.FLAGS
flags.DEFINE_string("data_dir", None, "Where TensorFlow Datasets keeps its data.")
flags.DEFINE_integer("num_examples", 60_000, "MNIST images of the set.")
flags.DEFINE_string(
    "adversarial_set", None, f"A set of MNIST's and of {_MODEL}, to spare the attack."
)
flags.DEFINE_integer("turns", 5, "Of which the fastest counts.")
flags.DEFINE_string("output_dir", "results/benchmark", "Gets adversarial_sets.json and .md.")
# TFDS serializes each example in Python, by far slower than the others.
_MOST_FOR_TFDS = 5_000


def _rate(work: Callable[[], int]) -> dict[str, float]:
    """Examples a second, by the clock and by the processors' time, each of its fastest turn.

    The second hardly depends on what else the machine does. ``work`` returns how many it dealt
    with.
    """
    clocks = {"clock": time.perf_counter, "processors": time.process_time}
    rates = dict.fromkeys(clocks, 0.0)
    for _ in range(FLAGS.turns):
        starts = {name: clock() for name, clock in clocks.items()}
        count = work()
        for name, clock in clocks.items():
            rates[name] = max(rates[name], count / (clock() - starts[name]))
    return rates


def _write_by_tfds(examples: dict[str, np.ndarray], features: Any, path: Path) -> int:
    count = min(len(examples["index"]), _MOST_FOR_TFDS)
    with tf.io.TFRecordWriter(os.fspath(path)) as records:
        for i in range(count):
            example = {name: values[i] for name, values in examples.items()}
            records.write(features.serialize_example(example))
    return count


def _read_by_tfds(directory: Path) -> int:
    builder = tfds.builder_from_directory(directory)
    batches = tfds.as_numpy(builder.as_dataset(split="train", batch_size=1000))
    parts = list(batches)
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return len(arrays["index"])


def _read_npz(path: Path) -> int:
    with np.load(path) as arrays:
        return len({name: arrays[name] for name in arrays.files}["index"])


def _measure(place: Path) -> dict[str, Any]:
    classifier = load_classifier(_MODEL)
    attacked = Path(FLAGS.adversarial_set or place / "attacked")
    if not FLAGS.adversarial_set:
        make_adversarial_set(
            classifier,
            load_dataset("mnist", f"train[:{FLAGS.num_examples}]", FLAGS.data_dir),
            AttackConfig(target="untargeted", effort="fast"),
            attacked,
        )
    examples = read_adversarial_set(attacked).examples
    count = len(examples["index"])
    names = [str(digit) for digit in range(10)]
    written = iter(range(1000))

    def write() -> int:
        directory = place / f"written-{next(written)}"
        write_adversarial_set(
            directory, examples, model="mnist", class_names=names, source_split="train"
        )
        return count

    def read() -> int:
        return len(read_adversarial_set(attacked).examples["index"])

    def verify() -> int:
        found = verify_adversarial_set(
            attacked,
            load_model=lambda interface: classifier,
            load_dataset=lambda name, split: load_dataset(name or "", split, FLAGS.data_dir),
        )
        assert found.holds, found.checks
        return count

    plain = {
        name: values.astype(np.str_) if values.dtype == object else values
        for name, values in examples.items()
    }
    npz = place / "examples.npz"
    raw = sum(
        sum(len(text.encode()) for text in values) if values.dtype == object else values.nbytes
        for values in examples.values()
    )
    files = [path for path in attacked.iterdir() if path.is_file()]
    features = tfds.builder_from_directory(attacked).info.features

    def save() -> int:
        np.savez(npz, allow_pickle=False, **plain)
        with npz.open("rb") as file:
            os.fsync(file.fileno())  # as sets are written
        return count

    return {
        "examples": count,
        "raw_bytes_an_example": raw / count,
        "size_over_raw": sum(path.stat().st_size for path in files) / raw,
        "write": {
            "write_adversarial_set": _rate(write),
            "numpy.savez": _rate(save),
            "tfds: features.serialize_example": _rate(
                lambda: _write_by_tfds(plain, features, place / "tfds.tfrecord")
            ),
        },
        "read": {
            "read_adversarial_set": _rate(read),
            "numpy.load": _rate(lambda: _read_npz(npz)),
            "tfds: as_dataset, batches of 1,000": _rate(lambda: _read_by_tfds(attacked)),
        },
        "verify": {"verify_adversarial_set": _rate(verify)},
    }


def _markdown(result: dict[str, Any]) -> str:
    lines = [
        "# Adversarial sets",
        "",
        f"{result['examples']:,} MNIST examples of {result['raw_bytes_an_example']:,.0f} bytes "
        "each (all fields as NumPy holds them, texts as UTF-8); on disk "
        f"{result['size_over_raw']:.3f} times as many, manifest and all. The fastest of "
        f"{result['turns']} turns on {result['cores']} cores, one-minute load average up to "
        f"{result['load']:.1f}, by the clock and, which other work on the machine hardly changes, "
        "by a second of processor time over all threads. Sets are checked against the schema, "
        "synchronised to disk and fingerprinted while they are written; verifying includes "
        "reading the set and loading MNIST, not loading the model.",
        "",
        "| work | by | examples a second | and processor |",
        "| --- | --- | --- | --- |",
    ]
    for work in ("write", "read", "verify"):
        for by, rate in result[work].items():
            lines.append(f"| {work} | {by} | {rate['clock']:,.0f} | {rate['processors']:,.0f} |")
    return "\n".join(lines) + "\n"


def main(argv: list[str]) -> None:
    """Measures and writes."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments: {argv[1:]}")
    began = time.perf_counter()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as place:
        result = _measure(Path(place))
    manifest = build_manifest(
        "adversarial_sets_benchmark",
        flags={"num_examples": FLAGS.num_examples, "turns": FLAGS.turns},
        seed=0,
        inputs={},
        seconds=time.perf_counter() - began,
        cores=os.cpu_count(),
        turns=FLAGS.turns,
        load=max(load, os.getloadavg()[0]),
        commit=commit(),
    )
    output = Path(FLAGS.output_dir)
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / "adversarial_sets.json", {**manifest, **result})
    text = _markdown({**manifest, **result})
    (output / "adversarial_sets.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    app.run(main)
