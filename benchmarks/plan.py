r"""Works out what an attack on all of ImageNet costs, from what one photo costs here.

Measures, on this machine, what the parts of the pipeline do in a second: reading photos, the
search, writing, checking. The search's arithmetic is then carried over to GPUs by an assumed rate.

Example:
  python -m benchmarks.plan --saved_model=results/models/squeezenet \
      --output_dir=docs/results/long_runs
"""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf
from absl import app, flags
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from benchmarks.report import commit
from tfblindspots.adversarial_sets import AdversarialSetWriter
from tfblindspots.artifacts import build_manifest, fingerprint_path, write_json
from tfblindspots.attacks import AttackConfig, find_adversarial_examples
from tfblindspots.data import load_dataset
from tfblindspots.experiments.choosing import choose_images
from tfblindspots.models import Classifier, load_classifier

FLAGS = flags.FLAGS
flags.DEFINE_string("saved_model", None, "SqueezeNet, as import_model.py makes it.", required=True)
flags.DEFINE_string("data_dir", None, "Where TensorFlow Datasets keeps its data.")
flags.DEFINE_integer("photos", 64, "Correctly classified photos to attack, drawn at random.")
flags.DEFINE_float("teraflops", 5, "What a GPU is assumed to sustain, float32 operations a second.")
flags.DEFINE_string("output_dir", "results/benchmark", "Gets plan.json and plan.md.")
_SPLITS = {"validation": 50_000, "train": 1_281_167}
_GPUS = (1, 8, 64)


def _operations(classifier: Classifier) -> float:
    """Floating-point operations of logits and their gradient by the image, for one photo.

    The gradient by the image costs what the forward pass costs: of each layer the product with its
    weights, transposed.
    """
    spec = tf.TensorSpec([1, *classifier.image_shape], tf.float32)
    function = tf.function(classifier.logits).get_concrete_function(spec)
    # The profiler does not look into functions that are called; this puts them in place.
    graph = convert_variables_to_constants_v2(function).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    return 2.0 * tf.compat.v1.profiler.profile(graph, options=options).total_float_ops


def _measure() -> dict[str, Any]:
    start = time.perf_counter()
    dataset = load_dataset("imagenet_sample", "validation", FLAGS.data_dir, image_size=(227, 227))
    reading = time.perf_counter() - start
    classifier = load_classifier(FLAGS.saved_model)
    config = AttackConfig(target="untargeted")
    chosen = choose_images(classifier, dataset, config.target, 0, sample=FLAGS.photos).positions
    images, labels = dataset.images[chosen], dataset.labels[chosen]
    # Compiled before it is timed: days are spent in the search.
    find_adversarial_examples(classifier, images[:16], labels[:16], config)
    start = time.perf_counter()
    examples = find_adversarial_examples(classifier, images, labels, config)
    searching = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as place:
        writer = AdversarialSetWriter(
            place,
            image_shape=classifier.image_shape,
            class_names=dataset.class_names,
            source_split="validation",
            num_examples=len(chosen),
            shard_size=len(chosen),
        )
        start = time.perf_counter()
        writer.write_shard(0, examples._asdict())
        writing = time.perf_counter() - start
        (shard,) = Path(place).glob("*.tfrecord-*")
        size = shard.stat().st_size
        start = time.perf_counter()
        writer.read_fields(["success"])
        fingerprint_path(shard)
        checking = time.perf_counter() - start
    count = len(chosen)
    return {
        "model": classifier.name,
        "photos": count,
        "success_rate": float(examples.success.mean()),
        "evaluations": float(examples.evaluations.mean()),
        "operations_an_evaluation": _operations(classifier),
        "bytes_a_photo": size / count,
        "photos_a_second": {
            "read": len(dataset.labels) / reading,
            "search": count / searching,
            "write": count / writing,
            "check": count / checking,
        },
    }


def _plan(found: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each split and number of GPUs."""
    on_gpu = FLAGS.teraflops * 1e12 / (found["evaluations"] * found["operations_an_evaluation"])
    rates = found["photos_a_second"]
    cores = os.cpu_count() or 1
    rows = []
    for split, photos in _SPLITS.items():
        for gpus in _GPUS:
            wanted = gpus * on_gpu
            rows.append(
                {
                    "split": split,
                    "gpus": gpus,
                    "photos_a_second": wanted,
                    "hours": photos / wanted / 3600,
                    "cores_that_read": wanted / rates["read"] * cores,
                    "written_bytes_a_second": wanted * found["bytes_a_photo"],
                    "disk_bytes": photos * found["bytes_a_photo"],
                    "hours_of_finish": photos / rates["check"] / 3600,
                    "days_here": photos / rates["search"] / 86400,
                }
            )
    return rows


def _markdown(result: dict[str, Any]) -> str:
    rates = result["photos_a_second"]
    lines = [
        "# ImageNet, worked out",
        "",
        f"`python -m benchmarks.plan`: {result['model']}, {result['photos']} photos of 227x227x3, "
        f"untargeted, {result['success_rate']:.0%} success, {result['evaluations']:.1f} "
        f"evaluations a photo of {result['operations_an_evaluation'] / 1e9:.2f} GFLOP each "
        f"(logits and gradient); {result['bytes_a_photo'] / 1e6:.2f} MB of disk a photo.",
        "",
        f"| on {result['cores']} cores, load {result['load']:.1f} | photos a second |",
        "| --- | --- |",
        *(f"| {name} | {rate:.3g} |" for name, rate in rates.items()),
        "",
        f"At {result['teraflops']:g} TFLOP/s sustained a GPU:",
        "",
        "| photos | GPUs | photos a second | hours | cores that read them | written, MB/s | disk, "
        "TB | hours of --finish, one process |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in result["plan"]:
        lines.append(
            f"| {row['split']} | {row['gpus']} | {row['photos_a_second']:.0f} | "
            f"{row['hours']:.2g} | {row['cores_that_read']:.2g} | "
            f"{row['written_bytes_a_second'] / 1e6:.0f} | {row['disk_bytes'] / 1e12:.2g} | "
            f"{row['hours_of_finish']:.2g} |"
        )
    here = {row["split"]: row["days_here"] for row in result["plan"]}
    lines += [
        "",
        "On this machine: " + ", ".join(f"{name} {days:.3g} days" for name, days in here.items()),
    ]
    return "\n".join(lines) + "\n"


def main(argv: list[str]) -> None:
    """Measures, works out and writes."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments: {argv[1:]}")
    start, load = time.perf_counter(), os.getloadavg()[0]
    found = _measure()
    result = {
        **build_manifest(
            "plan",
            flags={name: FLAGS[name].value for name in ("photos", "teraflops")},
            seed=0,
            inputs={},
            seconds=time.perf_counter() - start,
            cores=os.cpu_count(),
            load=max(load, os.getloadavg()[0]),
            teraflops=FLAGS.teraflops,
            commit=commit(),
        ),
        **found,
        "plan": _plan(found),
    }
    output = Path(FLAGS.output_dir)
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / "plan.json", result)
    (output / "plan.md").write_text(_markdown(result), encoding="utf-8")
    print(_markdown(result))


if __name__ == "__main__":
    app.run(main)
