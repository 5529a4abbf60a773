"""Measures what long runs cost: shards and durability, memory over many images, the start.

Example:
  python -m benchmarks.long_runs --output_dir=docs/results/long_runs
"""

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from absl import app, flags

from benchmarks.report import commit
from tfblindspots.artifacts import build_manifest, read_json, write_json
from tfblindspots.attacks import AttackConfig
from tfblindspots.data import load_dataset
from tfblindspots.experiments import make_adversarial_set
from tfblindspots.models import load_classifier

FLAGS = flags.FLAGS
flags.DEFINE_string("data_dir", None, "Where TensorFlow Datasets keeps its data.")
flags.DEFINE_list(
    "saved_models",
    ["saved_models/mnist/fc100-100-10", "saved_models/benchmark/lenet"],
    "Models of MNIST; memory and the cost of shards are measured with the first.",
)
flags.DEFINE_list("overhead_examples", ["10000"], "MNIST images to time the first models on.")
flags.DEFINE_integer("memory_examples", 60_000, "MNIST images whose attack's memory is watched.")
flags.DEFINE_integer("turns", 3, "Of which the median counts.")
flags.DEFINE_string("output_dir", "results/benchmark", "Gets long_runs.json and .md.")
# Of the default's and of smaller sizes, the cost by comparison with one shard that is not synced.
_SHARDS = (2, 10, 50)
# Of a run whose memory is watched.
_MEMORY_SHARD = 5_000

# Runs scripts/attack.py and ends when the first batch of searches has made its first steps.
_START = """
import os, runpy, sys, time
from tfblindspots.attacks import rolling_batch

find = rolling_batch.RollingSearch._search
def search(self, slots):
    found = find(self, slots)
    advance = found.advance
    def first(*arguments):
        advance(*arguments).status.numpy()
        print("first batch", time.time(), flush=True)
        os._exit(0)
    found.advance = first
    return found
rolling_batch.RollingSearch._search = search
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@contextlib.contextmanager
def _volatile() -> Iterator[None]:
    """Nothing waits until it is on the disk."""
    with mock.patch("os.fsync", lambda descriptor: None):
        yield


def _overhead(path: str, count: int, place: Path) -> dict[str, Any]:
    """Seconds of the same attack in one shard that is not synchronised, and in shards that are.

    The runs take turns, so that other work on the machine hits them alike. Everything is compiled
    before.
    """
    classifier = load_classifier(path)
    dataset = load_dataset("mnist", f"test[:{count}]", FLAGS.data_dir)
    config = AttackConfig()
    made = iter(range(1000))

    def attack(shards: int) -> tuple[float, float]:
        clocks = time.perf_counter(), time.process_time()
        make_adversarial_set(
            classifier, dataset, config, place / str(next(made)), shard_size=-(-count // shards)
        )
        return time.perf_counter() - clocks[0], time.process_time() - clocks[1]

    attack(1)
    times: dict[int, list[tuple[float, float]]] = {0: [], **{shards: [] for shards in _SHARDS}}
    for _ in range(FLAGS.turns):
        for shards, taken in times.items():
            with contextlib.nullcontext() if shards else _volatile():
                taken.append(attack(shards or 1))

    def ratio(shards: int, clock: int) -> float:
        pairs = zip(times[shards], times[0], strict=True)
        return statistics.median(one[clock] / whole[clock] for one, whole in pairs)

    return {
        "model": classifier.name,
        "examples": count,
        "seconds": statistics.median(taken[0] for taken in times[0]),
        "ratios": {
            str(shards): {"clock": ratio(shards, 0), "processors": ratio(shards, 1)}
            for shards in _SHARDS
        },
    }


def _command(*arguments: str) -> list[str]:
    data = [f"--data_dir={FLAGS.data_dir}"] if FLAGS.data_dir else []
    return [*arguments, "--dataset=mnist", *data]


def _resident_mib(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def _memory(place: Path) -> dict[str, Any]:
    """The most memory that the attack of many images has had until and after its first shard."""
    output = place / "memory"
    command = _command(
        *(sys.executable, "scripts/attack.py", f"--saved_model={FLAGS.saved_models[0]}"),
        *(f"--split=train[:{FLAGS.memory_examples}]", f"--output_dir={output}"),
        f"--shard_size={_MEMORY_SHARD}",
    )
    most: dict[int, float] = {}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            made = len(list(output.glob("[!.]*.tfrecord-*")))
            with contextlib.suppress(OSError, IndexError):
                most[made] = max(most.get(made, 0), _resident_mib(process.pid))
            time.sleep(0.1)
        assert process.returncode == 0
    manifest = read_json(output / "manifest.json")
    after = max(value for made, value in most.items() if made)
    return {
        "model": manifest["model"]["name"],
        "examples": manifest["num_examples"],
        "mib_by_shards_made": {str(made): round(value) for made, value in sorted(most.items())},
        "growth": after / most[0],
        "peak_mib": manifest["peak_memory_mib"],
        "seconds": manifest["seconds"],
    }


def _start_up(path: str, place: Path) -> dict[str, Any]:
    """Seconds from the command to the end of the first batch's first steps, each a new process."""
    taken = []
    for turn in range(FLAGS.turns):
        output = place / f"start-{Path(path).name}-{turn}"
        command = _command(
            *(sys.executable, "-c", _START, "scripts/attack.py", f"--saved_model={path}"),
            *("--split=test", f"--output_dir={output}"),
        )
        start = time.time()
        found = subprocess.run(command, capture_output=True, text=True, check=True)
        taken.append(float(found.stdout.split("first batch ")[1].split()[0]) - start)
    return {"model": Path(path).name, "seconds": taken, "median": statistics.median(taken)}


def _markdown(result: dict[str, Any]) -> str:
    memory = result["memory"]
    lines = [
        "# What long runs cost",
        "",
        f"`python -m benchmarks.long_runs`, {result['cores']} cores, one-minute load average up to "
        f"{result['load']:.1f} (of this command itself, some 2).",
        "",
        "## Shards and durability",
        "",
        "The time of an attack whose set is written in so many files, each synchronised to disk "
        "before it has its name, over that of the same attack whose set is written in one file and "
        f"not synchronised; both with summary and hashes. Median of {result['turns']} turns, the "
        "runs alternating in one process; by the clock, and by processor time, which other work on "
        "the machine changes less.",
        "",
        "| model | images | seconds without | " + " | ".join(f"{n} files" for n in _SHARDS) + " |",
        "| --- " * (3 + len(_SHARDS)) + "|",
    ]
    for row in result["overhead"]:
        ratios = " | ".join(
            f"{ratio['clock']:.3f} ({ratio['processors']:.3f})" for ratio in row["ratios"].values()
        )
        lines.append(f"| {row['model']} | {row['examples']} | {row['seconds']:.1f} | {ratios} |")
    lines += [
        "",
        "## Memory",
        "",
        f"`scripts/attack.py` on {memory['examples']:,} MNIST images, {memory['model']}, files of "
        f"{_MEMORY_SHARD:,}: {memory['peak_mib']:,} MiB at most; after the first file "
        f"{memory['growth']:.3f} times as much as until it was there. {memory['seconds']:.0f} s.",
        "",
        "| files made | most memory resident, MiB |",
        "| --- | --- |",
        *(f"| {made} | {mib:,} |" for made, mib in memory["mib_by_shards_made"].items()),
        "",
        "## Start",
        "",
        "Seconds from the command to the end of the first steps of the first batch: Python, "
        "TensorFlow, MNIST, the model, its predictions, compiling.",
        "",
        "| model | median | each |",
        "| --- | --- | --- |",
    ]
    for row in result["start_up"]:
        each = ", ".join(f"{seconds:.1f}" for seconds in row["seconds"])
        lines.append(f"| {row['model']} | {row['median']:.1f} | {each} |")
    return "\n".join(lines) + "\n"


def main(argv: list[str]) -> None:
    """Measures and writes."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments: {argv[1:]}")
    began = time.perf_counter()
    loads = [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        start_up = [_start_up(path, place) for path in FLAGS.saved_models]
        loads.append(os.getloadavg()[0])
        memory = _memory(place)
        loads.append(os.getloadavg()[0])
        overhead = [
            _overhead(path, int(count), place / Path(path).name)
            for path, count in zip(FLAGS.saved_models, FLAGS.overhead_examples, strict=False)
        ]
    loads.append(os.getloadavg()[0])
    result = {
        **build_manifest(
            "long_runs_benchmark",
            flags={
                name: FLAGS[name].value
                for name in ("saved_models", "overhead_examples", "memory_examples", "turns")
            },
            seed=0,
            inputs={},
            seconds=time.perf_counter() - began,
            cores=os.cpu_count(),
            turns=FLAGS.turns,
            load=max(loads),
            commit=commit(),
        ),
        "start_up": start_up,
        "memory": memory,
        "overhead": overhead,
    }
    output = Path(FLAGS.output_dir)
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / "long_runs.json", result)
    text = _markdown(result)
    (output / "long_runs.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    app.run(main)
