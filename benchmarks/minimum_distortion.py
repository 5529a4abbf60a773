"""Compares minimum-distortion attacks side by side: same model, images and targets, one process.

Example:
  python -m benchmarks.minimum_distortion --output_dir=results/benchmark

Four models: FC100-100-10, a small ReLU convolutional network, the same trained adversarially, and
SqueezeNet on photos (only with --imagenet_weights, and imagenet_sample in the data directory).
Slow methods get fewer images. A ratio of distortions is over the images that both methods solved,
one of speeds from runs on the same images. Ours and the methods that take seconds run in turns, the
fastest of 4 runs each; the others run once.
"""

import dataclasses
import json
import os
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from absl import app, flags
from tqdm import tqdm

from benchmarks import foolbox_attacks, squeezenet
from benchmarks.report import Run, commit, markdown, plot, table_rows
from benchmarks.scipy_attack import attack_one
from tfblindspots.artifacts import build_manifest, prepare_output_directory, write_json
from tfblindspots.attacks import AttackConfig, find_float_examples
from tfblindspots.data import in_memory, load_dataset
from tfblindspots.models import Classifier, load_classifier, predict_classes

FLAGS = flags.FLAGS
_MODELS = ["fc100-100-10", "lenet", "lenet-pgd", "squeezenet"]
flags.DEFINE_multi_enum("model", _MODELS, _MODELS, "Models to attack.")
flags.DEFINE_string("data_dir", None, "Where TensorFlow Datasets keeps its data.")
flags.DEFINE_string(
    "imagenet_weights", None, "SqueezeNet's weights (.npz); without them it is left out."
)
flags.DEFINE_string(
    "output_dir",
    "results/benchmark",
    "Gets benchmark.json, .md and .png; tables of other models that are there already stay.",
)

SCIPY = "SciPy L-BFGS-B, an image at a time, 12 values of c"
TFP = "tfp.optimizer.lbfgs_minimize, box by clipping, 12 values of c"
_ROUNDS = 4  # the machines are noisy
DDN_100, DDN_1000, FMN_SHIPPED, FMN_100, FMN_1000, CARLINI = foolbox_attacks.ATTACKS
_QUICK = (DDN_100, FMN_SHIPPED, FMN_100)


@dataclasses.dataclass(frozen=True)
class Case:
    """A model, images that it classifies correctly, and how many of them each method gets."""

    name: str
    title: str
    classifier: Classifier
    images: np.ndarray  # float32 [N, H, W, C]
    labels: np.ndarray  # int64 [N]
    target: str
    efforts: tuple[str, ...]
    rivals: dict[str, int]


def _cases() -> list[Case]:
    cases = []
    for name in FLAGS.model:
        if name == "squeezenet":
            if FLAGS.imagenet_weights:
                cases.append(_photos())
            continue
        dense = name == "fc100-100-10"
        folder = "mnist" if dense else "benchmark"
        dataset = load_dataset("mnist", "train[:500]" if dense else "test[:256]", FLAGS.data_dir)
        classifier = load_classifier(f"saved_models/{folder}/{name}")
        title = "FC100-100-10, random targets" if dense else f"{name}, untargeted"
        count = len(dataset.images)
        rivals = dict.fromkeys((*_QUICK, DDN_1000), count)
        if dense:
            rivals |= {FMN_1000: count, TFP: count, SCIPY: count, CARLINI: 50}
        else:
            rivals |= {TFP: 64, SCIPY: 8, CARLINI: 8}
        cases.append(
            _correct(
                name,
                title,
                classifier,
                in_memory(dataset.images, "a benchmark"),
                dataset.labels,
                "random" if dense else "untargeted",
                ("standard", "fast", "thorough"),
                rivals,
            )
        )
    return cases


def _photos() -> Case:
    classifier, images, labels = squeezenet.load(FLAGS.imagenet_weights, FLAGS.data_dir, 64)
    case = _correct(
        "squeezenet",
        "SqueezeNet on photos, untargeted",
        classifier,
        images,
        labels,
        "untargeted",
        ("standard",),
        {DDN_100: 32},
    )
    return dataclasses.replace(case, images=case.images[:32], labels=case.labels[:32])


def _correct(
    name: str,
    title: str,
    classifier: Classifier,
    images: np.ndarray,
    labels: np.ndarray,
    *rest: Any,
) -> Case:
    correct = predict_classes(classifier, images) == labels
    return Case(name, title, classifier, images[correct], labels[correct], *rest)


def _ours(method: str, case: Case, count: int, config: AttackConfig) -> tuple[Run, np.ndarray]:
    images, labels = case.images[:count], case.labels[:count]
    start = time.perf_counter()
    found = find_float_examples(case.classifier, images, labels, config)
    seconds = time.perf_counter() - start
    l2 = np.where(found.success == 1, found.l2, np.inf)
    return Run(method, l2, float(found.evaluations.mean()), seconds), found.target


def _compile(case: Case, count: int, config: AttackConfig) -> None:
    """A run that compiles; a short one where a run takes minutes."""
    if case.name == "squeezenet" or config.solver == "tfp":
        config = dataclasses.replace(config, max_evaluations=12)
    _ours("", case, count, config)


def _scipy(case: Case, count: int, targets: np.ndarray) -> Run:
    images, labels = case.images[:count], case.labels[:count]
    attack_one(case.classifier, images[0], int(labels[0]), int(targets[0]), values=1)
    start = time.perf_counter()
    results = [
        attack_one(case.classifier, image, int(label), int(target), values=12)
        for image, label, target in zip(
            tqdm(images, "SciPy L-BFGS-B", disable=None), labels, targets[:count], strict=True
        )
    ]
    return Run(
        SCIPY,
        np.array([result.l2 if result.success else np.inf for result in results]),
        float(np.mean([result.evaluations for result in results])),
        time.perf_counter() - start,
    )


def _foolbox(method: str, case: Case, count: int, targets: np.ndarray) -> Run:
    images, labels, targets = case.images[:count], case.labels[:count], targets[:count]
    found = foolbox_attacks.run(method, case.classifier, images, labels, targets)
    prediction = predict_classes(case.classifier, found.images)
    success = np.where(targets < 0, prediction != labels, prediction == targets)
    l2 = np.linalg.norm((found.images - images).reshape(len(images), -1).astype(float), axis=1)
    return Run(method, np.where(success, l2, np.inf), found.evaluations, found.seconds)


def _slow(method: str, case: Case, count: int, targets: np.ndarray) -> Run:
    """Runs once what takes minutes."""
    print(f"{case.title}: {method}", flush=True)
    if method == TFP:
        config = AttackConfig(target=case.target, solver="tfp", batch_size=count)
        _compile(case, count, config)
        return _ours(TFP, case, count, config)[0]
    if method == SCIPY:
        return _scipy(case, count, targets)
    return _foolbox(method, case, count, targets)


def _measure(case: Case) -> dict[str, Any]:
    """All methods on one case."""
    count = len(case.images)
    efforts = {
        f"tfblindspots, {effort}": AttackConfig(target=case.target, effort=effort)
        for effort in case.efforts
    }
    for config in efforts.values():
        _compile(case, count, config)
    quick = [method for method in case.rivals if method in _QUICK]
    rounds: dict[str, list[Run]] = {method: [] for method in (*efforts, *quick)}
    turns = 1 if case.name == "squeezenet" else _ROUNDS
    for _ in range(turns):
        for method, config in efforts.items():
            run, targets = _ours(method, case, count, config)
            rounds[method].append(run)
        for method in quick:
            rounds[method].append(_foolbox(method, case, case.rivals[method], targets))
    runs = [_fastest(tries) for tries in rounds.values()]
    # By effort and number of images: what a rival with fewer of them is compared with.
    ours = {(method, count): run for method, run in zip(efforts, runs, strict=False)}
    for method, n in case.rivals.items():
        if method in quick:
            continue
        runs.append(_slow(method, case, n, targets))
        for effort, config in efforts.items():
            if (effort, n) not in ours:
                tries = [_ours(effort, case, n, config)[0] for _ in range(turns)]
                ours[effort, n] = _fastest(tries)
    return {
        "model": case.name,
        "title": case.title,
        "target": case.target,
        "rows": table_rows(runs, ours, case.efforts, case.images[0].size),
    }


def _fastest(runs: list[Run]) -> Run:
    return min(runs, key=lambda run: run.seconds)


def main(argv: list[str]) -> None:
    """Runs the methods and writes their tables and the plot; other models' tables there stay."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments: {argv[1:]}")
    output = prepare_output_directory(FLAGS.output_dir, ("benchmark.*", "scaling.json"))
    path = output / "benchmark.json"
    tables = json.loads(path.read_text())["tables"] if path.exists() else {}
    for case in _cases():
        began = time.perf_counter()
        table = _measure(case)
        print(markdown(table), flush=True)
        manifest = build_manifest(
            "benchmark",
            flags={"model": case.name},
            seed=0,
            inputs={case.name: case.classifier.fingerprint},
            seconds=time.perf_counter() - began,
            cores=os.cpu_count(),
            commit=commit(),
        )
        tables[case.name] = {**table, "manifest": manifest}
        write_json(path, {"tables": tables})
    rows = [tables[name] for name in _MODELS if name in tables]
    (output / "benchmark.md").write_text("\n".join(map(markdown, rows)), encoding="utf-8")
    plot(rows, output / "benchmark.png")


if __name__ == "__main__":
    app.run(main)
