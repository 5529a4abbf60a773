"""Compares minimum-distortion attacks side by side: same model, images and targets, one process.

Example:
  python -m benchmarks.minimum_distortion --saved_model=saved_models/mnist/fc100-100-10 \
    --dataset=mnist --split='train[:500]' --output_dir=results/benchmark
"""

import dataclasses
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from absl import app, flags
from tqdm import tqdm

from benchmarks.scipy_attack import attack_one
from tfblindspots.artifacts import build_manifest, prepare_output_directory, write_json
from tfblindspots.attacks import AdversarialExamples, AttackConfig, find_adversarial_examples
from tfblindspots.data import load_dataset
from tfblindspots.models import Classifier, load_classifier, predict_classes

FLAGS = flags.FLAGS
flags.DEFINE_string("saved_model", "saved_models/mnist/fc100-100-10", "The model under attack.")
flags.DEFINE_string("dataset", "mnist", "Dataset to attack.")
flags.DEFINE_string("data_dir", None, "Where TensorFlow Datasets keeps its data.")
flags.DEFINE_string("split", "train[:500]", "Images to attack, in TFDS split syntax.")
flags.DEFINE_string("target", "random", "As in attack.py; one target an image.")
flags.DEFINE_integer("seed", 0, "Of random targets.")
flags.DEFINE_string("output_dir", "results/benchmark", "Gets benchmark.json and benchmark.md.")


@dataclasses.dataclass(frozen=True)
class Run:
    """What one method did with all images."""

    method: str
    l2: np.ndarray  # [N], infinite where nothing was found
    evaluations: float  # mean an image
    seconds: float

    def row(self, pixels: int, ours: "Run") -> dict[str, Any]:
        """Numbers of the table. Ratios are ours over this one's, on the images both solved."""
        both = np.isfinite(self.l2) & np.isfinite(ours.l2)
        return {
            "method": self.method,
            "success_rate": np.isfinite(self.l2).mean(),
            "mean_distortion": self.l2[np.isfinite(self.l2)].mean() / np.sqrt(pixels),
            "evaluations": self.evaluations,
            "seconds": self.seconds,
            "images_per_second": len(self.l2) / self.seconds,
            "our_distortion_ratio": ours.l2[both].mean() / self.l2[both].mean(),
            "our_speed_ratio": self.seconds / ours.seconds,
        }


def _ours(
    classifier: Classifier, images: np.ndarray, labels: np.ndarray, config: AttackConfig
) -> tuple[AdversarialExamples, float]:
    """One run to compile, one to measure."""
    find_adversarial_examples(classifier, images, labels, config)
    start = time.perf_counter()
    found = find_adversarial_examples(classifier, images, labels, config)
    return found, time.perf_counter() - start


def _scipy(
    classifier: Classifier, images: np.ndarray, labels: np.ndarray, targets: np.ndarray
) -> Run:
    attack_one(classifier, images[0], int(labels[0]), int(targets[0]), values=1)
    start = time.perf_counter()
    results = [
        attack_one(classifier, image, int(label), int(target), values=12)
        for image, label, target in zip(
            tqdm(images, "SciPy L-BFGS-B", disable=None), labels, targets, strict=True
        )
    ]
    return Run(
        "SciPy L-BFGS-B, an image at a time, 12 values of c",
        np.array([result.l2 for result in results]),
        float(np.mean([result.evaluations for result in results])),
        time.perf_counter() - start,
    )


def _to_run(method: str, found: AdversarialExamples, seconds: float) -> Run:
    l2 = np.where(found.success == 1, found.l2, np.inf)
    return Run(method, l2, float(found.evaluations.mean()), seconds)


def main(argv: list[str]) -> None:
    """Runs the methods and writes their table."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments: {argv[1:]}")
    began = time.perf_counter()
    output = prepare_output_directory(FLAGS.output_dir, ("benchmark.*", "manifest.json"))
    dataset = load_dataset(FLAGS.dataset, FLAGS.split, FLAGS.data_dir)
    classifier = load_classifier(FLAGS.saved_model)
    correct = predict_classes(classifier, dataset.images) == dataset.labels
    images, labels = dataset.images[correct], dataset.labels[correct]
    config = AttackConfig(target=FLAGS.target, seed=FLAGS.seed)

    found, seconds = _ours(classifier, images, labels, config)
    ours = _to_run("tfblindspots (default)", found, seconds)
    scipy = _scipy(classifier, images, labels, found.target)
    tfp_config = dataclasses.replace(config, solver="tfp", batch_size=500)
    tfp = _to_run(
        "tfp.optimizer.lbfgs_minimize, box by clipping, 12 values of c",
        *_ours(classifier, images, labels, tfp_config),
    )
    rows = [run.row(images[0].size, ours) for run in (ours, scipy, tfp)]
    manifest = build_manifest(
        "benchmark",
        flags={name: FLAGS[name].value for name in ("dataset", "split", "target")},
        seed=FLAGS.seed,
        inputs={"model": classifier.fingerprint, "dataset": dataset.fingerprint},
        seconds=time.perf_counter() - began,
        model=classifier.name,
        cores=os.cpu_count(),
    )
    write_json(output / "benchmark.json", {**manifest, "rows": rows})
    table = _markdown(f"{classifier.name}, {dataset.name} {dataset.split}, {FLAGS.target}", rows)
    Path(output / "benchmark.md").write_text(table, encoding="utf-8")
    print(table)


def _markdown(title: str, rows: list[dict[str, Any]]) -> str:
    columns: dict[str, tuple[str, Callable[[Any], str]]] = {
        "method": ("method", str),
        "success_rate": ("success", lambda x: f"{x:.1%}"),
        "mean_distortion": ("mean distortion", lambda x: f"{x:.5f}"),
        "evaluations": ("evaluations an image", lambda x: f"{x:.0f}"),
        "images_per_second": ("images/s", lambda x: f"{x:.4g}"),
        "our_distortion_ratio": ("our distortion over its", lambda x: f"{x:.4f}"),
        "our_speed_ratio": ("our speed over its", lambda x: f"{x:.1f}"),
    }
    lines = [
        [heading for heading, _ in columns.values()],
        ["---"] * len(columns),
        *([show(row[key]) for key, (_, show) in columns.items()] for row in rows),
    ]
    return f"# {title}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    app.run(main)
