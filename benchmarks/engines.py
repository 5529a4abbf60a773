r"""Measures what makes a set's shards: one process, Beam's workers, a process a device, threads.

All in the same run, in turns, and checked to make the same bytes. Two measurements:

- engines: ``make_in_turn`` in this process against ``BeamEngine`` with two workers and
  ``DeviceEngine`` with two CPU devices, wall clock. Start-up included is from the call of the
  engine to its end. Start-up excluded is from the moment when every process has made its first
  shard, which is when all of them have compiled; for one process from its first shard on likewise.
- devices: one call of the search a device of one process (threads, ``tf.device``), the alternative
  to a process a device, against one call with both parts' images.

Example:
  python -m benchmarks.engines --dataset=mnist --num_examples=10000 \
      --saved_model=saved_models/mnist/fc100-100-10,saved_models/benchmark/lenet
"""

import functools
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from absl import app, flags

from benchmarks.report import commit
from tfblindspots import runtime
from tfblindspots.artifacts import build_manifest, write_json
from tfblindspots.attacks import AttackConfig, find_adversarial_examples
from tfblindspots.data import ImageDataset, load_dataset
from tfblindspots.experiments import (
    AttackRun,
    Engine,
    Inputs,
    beam_engine,
    device_engine,
    make_in_turn,
)
from tfblindspots.experiments.shards import Shards
from tfblindspots.models import Classifier, load_classifier

FLAGS = flags.FLAGS
flags.DEFINE_string("dataset", "mnist", "Images to attack.")
flags.DEFINE_string("data_dir", None, "Where TensorFlow Datasets keeps its data.")
flags.DEFINE_list(
    "saved_model",
    ["saved_models/mnist/fc100-100-10", "saved_models/benchmark/lenet"],
    "Models to attack, M,...",
)
flags.DEFINE_integer("num_examples", 10_000, "Images of the first model; of each other a tenth.")
flags.DEFINE_integer("shards", 10, "Files of a set.")
flags.DEFINE_integer("turns", 2, "How often each engine runs.")
flags.DEFINE_string("output_dir", "results/benchmark", "Gets engines.json and engines.md.")
_DEVICES = ("CPU:0", "CPU:1")
_IN_PARTS = ("one process", "a thread a device")


def _engine_run(
    name: str, engine: Engine, run: AttackRun, shards: int, workers: int
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The seconds that an engine takes with and without its start, and the files that it makes."""
    took: dict[str, float] = {}

    def timed(work: Shards, numbers: Sequence[int], progress: Callable[[int], object]) -> None:
        start = time.perf_counter()
        engine(work, numbers, progress)
        took["seconds"] = time.perf_counter() - start
        # When the files appeared, and those of the first shard of each process.
        paths = sorted(
            run.directory.glob("[!.]*.tfrecord-*"), key=lambda path: path.stat().st_mtime
        )
        written = [path.stat().st_mtime for path in paths]
        assert len(written) == shards
        took["steady_seconds"] = written[-1] - written[workers - 1]

    run.complete(timed)
    files = {path.name: path.read_bytes() for path in run.directory.glob("[!.]*.tfrecord-*")}
    images = len(run.dataset.labels)
    # Of what is made after the first shard of each process.
    steady = images * (shards - workers) / shards
    return {
        "engine": name,
        "seconds": took["seconds"],
        "images_per_second": images / took["seconds"],
        "steady_images_per_second": steady / took["steady_seconds"],
    }, files


def _engines(model: str, dataset: Callable[[], ImageDataset]) -> list[dict[str, Any]]:
    """The engines in turns, on the same images."""
    inputs = Inputs(functools.partial(load_classifier, model), dataset)
    classifier, images = inputs.classifier(), inputs.dataset()
    size = -(-len(images.labels) // FLAGS.shards)
    engines: list[tuple[str, Engine, int]] = [
        ("one process", make_in_turn, 1),
        ("Beam, 2 workers", beam_engine(inputs, ["direct_num_workers=2"]), 2),
        ("2 devices", device_engine(inputs, _DEVICES), 2),
    ]
    runs, expected = [], None
    for turn in range(FLAGS.turns):
        for name, engine, workers in engines[:: 1 if turn % 2 == 0 else -1]:
            with tempfile.TemporaryDirectory() as directory:
                # A new function a turn: this process compiles anew, as the others have to.
                run = AttackRun(
                    inputs.classifier(),
                    images,
                    AttackConfig(),
                    Path(directory) / classifier.name,
                    shard_size=size,
                )
                found, files = _engine_run(name, engine, run, FLAGS.shards, workers)
            expected = expected or files
            assert files == expected, f"{name} makes other bytes"
            runs.append({"turn": turn, **found})
            print(classifier.name, runs[-1], flush=True)
    return runs


def _devices(model: str, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Images a second of one process with two logical devices, in turn or a thread for each."""
    classifiers = []
    for device in _DEVICES:
        with tf.device(device):  # Variables on it, which XLA insists on.
            classifiers.append(load_classifier(model))
    halves = np.array_split(np.arange(len(labels)), len(_DEVICES))

    def attack(classifier: Classifier, rows: np.ndarray, device: str) -> None:
        with tf.device(device):
            find_adversarial_examples(
                classifier, images[rows], labels[rows], AttackConfig(), indices=rows
            )

    def in_threads() -> None:
        with ThreadPoolExecutor(len(_DEVICES)) as pool:
            list(pool.map(attack, classifiers, halves, _DEVICES))

    def alone() -> None:
        for rows in halves:
            attack(classifiers[0], rows, _DEVICES[0])

    seconds: dict[str, list[float]] = {name: [] for name in _IN_PARTS}
    for _ in range(FLAGS.turns + 1):  # The first compiles.
        for name, function in zip(_IN_PARTS, (alone, in_threads), strict=True):
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
    return {name: len(labels) / min(times[1:]) for name, times in seconds.items()}


def _median(runs: Sequence[dict[str, Any]], engine: str, what: str) -> float:
    return float(np.median([run[what] for run in runs if run["engine"] == engine]))


def _ratios(runs: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Each engine's speed over that of one process, of the medians over the turns."""
    names = dict.fromkeys(run["engine"] for run in runs)
    return {
        name: {
            what: _median(runs, name, what) / _median(runs, "one process", what)
            for what in ("images_per_second", "steady_images_per_second")
        }
        for name in names
    }


def _markdown(results: dict[str, Any]) -> str:
    lines = [
        "| model | images | engine | images/s | of one process's | without start-up | of one's |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for model, found in results.items():
        for name, ratio in found["ratios"].items():
            whole, steady = "images_per_second", "steady_images_per_second"
            lines.append(
                f"| {model} | {found['count']} | {name} | {_median(found['runs'], name, whole):.0f}"
                f" | {ratio[whole]:.2f} | {_median(found['runs'], name, steady):.0f} | "
                f"{ratio[steady]:.2f} |"
            )
    lines += [
        "",
        "| model | one process | a thread a device | ratio |",
        "| --- | --- | --- | --- |",
    ]
    for model, found in results.items():
        one, two = (found["devices"][name] for name in _IN_PARTS)
        lines.append(f"| {model} | {one:.0f} images/s | {two:.0f} images/s | {two / one:.2f} |")
    return "\n".join(lines) + "\n"


def main(argv: list[str]) -> None:
    """Measures and writes."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments: {argv[1:]}")
    runtime.use_devices(_DEVICES)
    began = time.perf_counter()
    load = os.getloadavg()[0]
    results = {}
    for number, model in enumerate(FLAGS.saved_model):
        count = FLAGS.num_examples if number == 0 else max(1, FLAGS.num_examples // 10)
        dataset = functools.partial(load_dataset, FLAGS.dataset, f"test[:{count}]", FLAGS.data_dir)
        runs = _engines(model, dataset)
        some = dataset()
        part = slice(max(2, count // 5))
        results[Path(model).name] = {
            "count": len(some.labels),
            "runs": runs,
            "ratios": _ratios(runs),
            "devices": _devices(model, some.images[part], some.labels[part]),
        }
    manifest = build_manifest(
        "engines",
        flags={name: FLAGS[name].value for name in ("dataset", "num_examples", "shards", "turns")},
        seed=0,
        inputs={},
        seconds=time.perf_counter() - began,
        cores=os.cpu_count(),
        load_average_before=load,
        commit=commit(),
        results=results,
    )
    output = Path(FLAGS.output_dir)
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / "engines.json", manifest)
    (output / "engines.md").write_text(_markdown(results), encoding="utf-8")
    print(_markdown(results))


if __name__ == "__main__":
    app.run(main)
