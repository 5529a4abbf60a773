r"""Measures 8-bit adversarial images: how many succeed, how far they are, what they cost, how firm.

Example:
  python -m benchmarks.eight_bit --saved_model=saved_models/mnist/fc100-100-10 --dataset=mnist \
      --split=test --target=random --results=docs/results/eight_bit/fc100-100-10.json

The attack runs twice, and the second run is timed: compiling is counted apart. An example is firm
when the model still takes it for what was sought in batches of other sizes, and compiled by XLA.
"""

import time
from typing import Any

import numpy as np
import tensorflow as tf
from absl import app, flags

from tfblindspots import cli
from tfblindspots.artifacts import write_json
from tfblindspots.attacks import AttackConfig, find_float_examples, judge_eight_bit
from tfblindspots.attacks.eight_bit import find_eight_bit
from tfblindspots.attacks.examples import EightBitExamples, FloatExamples
from tfblindspots.data import from_uint8, round_to_uint8
from tfblindspots.experiments import target_by_name
from tfblindspots.experiments.choosing import choose_images
from tfblindspots.models import Classifier, predict_classes

FLAGS = flags.FLAGS

cli.define_model_flag()
cli.define_dataset_flags(split="test", what="images to attack")
flags.DEFINE_string("target", "random", "as of scripts/attack.py")
flags.DEFINE_integer("sample", None, "as of scripts/attack.py; without it all images")
flags.DEFINE_multi_integer("batch_sizes", [1, 7, 64, 1000], "of the predictions made again")
flags.DEFINE_boolean("warm_up", True, "run twice, and time the second; no: compiling is included")
flags.DEFINE_string("results", None, "JSON file for the measurements")


def _timed(function: Any, *arguments: Any, **named: Any) -> tuple[Any, dict[str, float]]:
    start, busy = time.perf_counter(), time.process_time()
    result = function(*arguments, **named)
    return result, {
        "seconds": time.perf_counter() - start,
        "processor_seconds": time.process_time() - busy,
    }


def _ratios(found: FloatExamples, eight_bit: EightBitExamples, rows: np.ndarray) -> dict[str, Any]:
    """What of the images ``rows``, successes as floats, holds in 8 bits."""
    hit = rows[eight_bit.success_uint8[rows] == 1]
    ratio = eight_bit.distortion_uint8[hit].astype(np.float64) / found.distortion[hit]
    return {
        "success_rate": hit.size / rows.size,
        "mean_distortion": float(eight_bit.distortion_uint8[hit].mean()) if hit.size else None,
        "mean_ratio": float(ratio.mean()) if hit.size else None,
        "median_ratio": float(np.median(ratio)) if hit.size else None,
        "largest_ratio": float(ratio.max()) if hit.size else None,
    }


def _lost(
    classifier: Classifier, images: np.ndarray, found: FloatExamples, batch_sizes: list[int]
) -> dict[str, int]:
    """Images of successes that are none any more, by how the model is evaluated."""
    compiled = tf.function(classifier.logits, autograph=False, jit_compile=True)
    predictions = {f"batches of {n}": predict_classes(classifier, images, n) for n in batch_sizes}
    parts = np.array_split(images, max(1, len(images) // 100))
    predictions["XLA"] = np.concatenate([compiled(tf.constant(p)).numpy() for p in parts]).argmax(1)
    return {
        how: int(
            np.count_nonzero(
                np.where(found.target >= 0, classes != found.target, classes == found.label)
            )
        )
        for how, classes in predictions.items()
    }


def main(argv: list[str]) -> None:
    """Measures and writes."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}")
    dataset = cli.load_dataset_from_flags(FLAGS.split or "test")
    classifier = cli.load_classifier_from_flags()
    config = AttackConfig(target_by_name(FLAGS.target, dataset))
    chosen = choose_images(
        classifier, dataset, config.target, config.seed, num_examples=None, sample=FLAGS.sample
    ).positions
    given = (classifier, dataset.images[chosen], dataset.labels[chosen], config)
    indices = dataset.indices[chosen]
    if FLAGS.warm_up:
        find_eight_bit(classifier, find_float_examples(*given, indices=indices), config)
    found, float_cost = _timed(find_float_examples, *given, indices=indices)
    eight_bit, cost = _timed(find_eight_bit, classifier, found, config)
    direct, direct_cost = _timed(
        find_eight_bit, classifier, found, AttackConfig(config.target, bits=8)
    )
    attacked = found.label == found.original_prediction
    rows = np.flatnonzero(attacked & (found.success == 1))
    about = (found.original, found.label, found.target, found.original_prediction)
    plain = judge_eight_bit(classifier, round_to_uint8(found.image), *about)
    part = FloatExamples(*(field[rows] for field in found))
    firm = rows[eight_bit.success_uint8[rows] == 1]
    firm_part = FloatExamples(*(field[firm] for field in found))
    write_json(
        FLAGS.results,
        {
            "model": classifier.description,
            "dataset": dataset.name,
            "split": dataset.split,
            "target": FLAGS.target,
            "compiling_included": not FLAGS.warm_up,
            "attacked": int(attacked.sum()),
            "float": {
                "success_rate": rows.size / int(attacked.sum()),
                "mean_distortion": float(found.distortion[rows].mean()),
                "lost": _lost(classifier, part.image, part, FLAGS.batch_sizes),
                **float_cost,
            },
            "plain_rounding": _ratios(found, plain, rows),
            "eight_bit": {
                **_ratios(found, eight_bit, rows),
                "lost": _lost(
                    classifier,
                    from_uint8(eight_bit.image_uint8[firm]),
                    firm_part,
                    FLAGS.batch_sizes,
                ),
                **cost,
            },
            "bits_8": {**_ratios(found, direct, rows), **direct_cost},
        },
    )


if __name__ == "__main__":
    flags.mark_flags_as_required(["saved_model", "dataset", "results"])
    app.run(main)
