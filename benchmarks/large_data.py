"""Measures images that are read when needed: speed, start-up, and memory by the number of them.

Example:
  python -m benchmarks.large_data --imagenet_weights=squeezenet_v1_0.npz \
      --output_dir=docs/results/long_runs
"""

import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow_datasets as tfds
from absl import app, flags

from benchmarks import squeezenet
from benchmarks.report import commit
from tfblindspots.artifacts import build_manifest, write_json
from tfblindspots.attacks import AttackConfig
from tfblindspots.data import load_dataset, stored_images, survey
from tfblindspots.experiments import make_adversarial_set
from tfblindspots.models import predict_classes

FLAGS = flags.FLAGS
flags.DEFINE_string("data_dir", None, "Where TensorFlow Datasets keeps imagenet_sample.")
flags.DEFINE_string("imagenet_weights", None, "SqueezeNet's weights.")
flags.DEFINE_list("counts", "1000,8000", "Photos of each folder.")
flags.DEFINE_string("output_dir", "results/benchmark", "Gets large_data.json.")
_SIZE = (227, 227)
_BATCH = 16
_RANDOM = 1600
_SHARD, _SHARDS = 16, 3
# Photos of a folder that is read into memory for comparison, and a limit that nothing reaches.
_MOST_IN_MEMORY = 2000
_ALL = 1 << 50


def _photos(data_dir: str | None, root: Path, count: int) -> Path:
    """A folder of links to the sample's JPEGs, each as often as it takes."""
    stored = root / "stored"
    if not stored.exists():
        stored.mkdir()
        decoders = {"image": tfds.decode.SkipDecoding()}
        data = tfds.load(
            "imagenet_sample", split="validation", data_dir=data_dir, decoders=decoders
        )
        for number, example in enumerate(data.as_numpy_iterator()):
            (stored / f"{int(example['label']):03}-{number}.jpg").write_bytes(example["image"])
    files = sorted(stored.iterdir())
    folder = root / str(count)
    for number in range(count):
        file = files[number % len(files)]
        link = folder / file.name[:3] / f"{number:06}.jpg"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file)
    return folder


def _peak_mib() -> float:
    """The most memory that this process has had; unlike ``ru_maxrss`` without its parent's."""
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line
    )
    return int(line.split()[1]) / 1024


def _process(name: str, data_dir: str | None, most: int, threads: int) -> dict[str, float]:
    """One process that loads and reads: seconds, images a second, and the most memory so far."""
    survey.MOST_IN_MEMORY = most
    stored_images._MOST_THREADS = threads
    found = {"peak_mib_before": _peak_mib()}
    split = "test" if Path(name).is_dir() else "validation"
    start = time.perf_counter()
    images = load_dataset(name, split, data_dir, image_size=_SIZE).images
    found["start_up_seconds"] = time.perf_counter() - start
    start = time.perf_counter()
    for first in range(0, len(images), _BATCH):
        images[first : first + _BATCH].sum()
    found["sequential_per_second"] = len(images) / (time.perf_counter() - start)
    drawn = np.random.default_rng(0).integers(0, len(images), (_RANDOM // _BATCH, _BATCH))
    start = time.perf_counter()
    for rows in drawn:
        images[np.sort(rows)].sum()
    found["random_per_second"] = drawn.size / (time.perf_counter() - start)
    found["peak_mib"] = _peak_mib()
    return found


def _attack(name: str, data_dir: str | None, weights: str, output_dir: Path) -> dict[str, float]:
    """One process that predicts all photos and attacks some shards of them."""
    classifier, _, _ = squeezenet.load(weights, data_dir, 1)
    dataset = load_dataset(name, "test", data_dir, image_size=_SIZE)
    found = {"peak_mib_before": _peak_mib()}
    start = time.perf_counter()
    predictions = predict_classes(classifier, dataset.images)
    found["predicted_per_second"] = len(predictions) / (time.perf_counter() - start)
    found["peak_mib_predicted"] = _peak_mib()
    config = AttackConfig(target="untargeted", effort="fast")
    for shards in (1, _SHARDS):
        make_adversarial_set(
            classifier,
            dataset,
            config,
            output_dir / str(shards),
            num_examples=shards * _SHARD,
            shard_size=_SHARD,
        )
        found[f"peak_mib_{shards}_shards"] = _peak_mib()
    return found


def main(argv: list[str]) -> None:
    """Measures and writes."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments: {argv[1:]}")
    began = time.perf_counter()
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        os.environ["TFBLINDSPOTS_CACHE_DIR"] = str(root / "cache")

        def alone(work: Callable[..., dict[str, float]], *args: Any) -> dict[str, float]:
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, mp_context=context) as pool:
                return pool.submit(work, *args).result()

        kinds = {
            "in memory": (_ALL, 1),
            "one thread, first start": (0, 1),
            "first start": (0, os.cpu_count()),
            "second start": (0, os.cpu_count()),
        }
        for count in map(int, FLAGS.counts):
            folder = _photos(FLAGS.data_dir, root, count)
            for kind, settings in kinds.items():
                if kind == "in memory" and count > _MOST_IN_MEMORY:
                    continue
                if "first" in kind:
                    shutil.rmtree(root / "cache", ignore_errors=True)
                result[f"{count} files, {kind}"] = alone(
                    _process, str(folder), FLAGS.data_dir, *settings
                )
            if FLAGS.imagenet_weights:
                result[f"{count} files, SqueezeNet"] = alone(
                    _attack, str(folder), FLAGS.data_dir, FLAGS.imagenet_weights, root / f"{count}s"
                )
        for kind, settings in kinds.items():
            if "first" in kind:
                shutil.rmtree(root / "cache", ignore_errors=True)
            result[f"imagenet_sample of TFDS, {kind}"] = alone(
                _process, "imagenet_sample", FLAGS.data_dir, *settings
            )
    manifest = build_manifest(
        "large_data",
        flags={"counts": ",".join(FLAGS.counts)},
        seed=0,
        inputs={},
        seconds=time.perf_counter() - began,
        commit=commit(),
        cores=os.cpu_count(),
        result=result,
    )
    path = Path(FLAGS.output_dir) / "large_data.json"
    write_json(path, manifest)
    print(f"written: {path}")


if __name__ == "__main__":
    app.run(main)
