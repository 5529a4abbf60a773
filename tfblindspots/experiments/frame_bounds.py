"""E6: frame bounds of a network's layers, and how far it does carry images apart (section 4.3)."""

import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from tfblindspots.adversarial_sets import AdversarialSet, read_adversarial_set
from tfblindspots.analysis import (
    LayerBounds,
    certified_distances,
    measure_expansion,
    network_bounds,
)
from tfblindspots.artifacts import MANIFEST, build_manifest, read_json, write_json
from tfblindspots.errors import InputError
from tfblindspots.experiments.evaluation import distinct_names, set_inputs
from tfblindspots.experiments.jobs import Job
from tfblindspots.models import (
    Classifier,
    ModelInterface,
    get_definition,
    load_classifier,
    load_keras_model,
    predict_logits,
)
from tfblindspots.reports.reading import RESULTS

_NO_INTERFACE = ModelInterface()


def measure_frame_bounds(
    model: str | os.PathLike[str] | keras.Model,
    output_dir: str | os.PathLike[str],
    *,
    adversarial_sets: Sequence[str | os.PathLike[str]] = (),
    interface: ModelInterface = _NO_INTERFACE,
    progress: bool = False,
) -> dict[str, Any]:
    """Bounds every layer of a network and the network, and measures it on adversarial sets.

    Args:
      model: what ``load_keras_model`` takes, or a functional Keras model.
      output_dir: gets ``results.json`` and the manifest.
      adversarial_sets: directories of sets, made for this network or for another one; of their
        examples those that were found are looked at.
      interface: how the images of a model on disk differ from those in [0, 1].
      progress: show progress bars.

    Returns:
      What ``results.json`` holds: ``model``, ``parameters``, its number; ``layers``, one entry each
      with the fields of ``LayerBounds``; ``bound``, of the network's Lipschitz constant, None where
      a layer's is unknown; ``unknown``, the names of those layers; and ``sets``, by name: ``count``
      of pairs, ``layers``, by name the largest and the mean ratio of distances of the layer and of
      the ``network`` down to it, and ``certificate`` (see ``certified_distances``; None where there
      is no bound).

    Raises:
      InputError: the model cannot be read or does not say what its layers are; a set is absent,
        damaged, of other images than the model takes, or has no example that was found; the
        directory holds other files or results of other settings.
    """
    network = model if isinstance(model, keras.Model) else load_keras_model(model, interface)
    classifier = load_classifier(model, interface=interface)
    sets = dict(zip(distinct_names(adversarial_sets), adversarial_sets, strict=True))
    job = Job(
        Path(output_dir),
        "frame_bounds",
        {"adversarial_sets": ",".join(sets)},
        {"model": classifier.description, **set_inputs(sets)},
    )
    if job.finished(parts=[RESULTS]):
        return read_json(job.directory / RESULTS)
    start = time.perf_counter()
    with job.claim(allowed=[RESULTS]):
        rows = network_bounds(
            network, progress=lambda nodes: tqdm(nodes, "layers", disable=not progress)
        )
        measured = {
            name: _measure(network, classifier, rows, read_adversarial_set(path))
            for name, path in tqdm(sets.items(), "sets", disable=not progress or not sets)
        }
        manifest = build_manifest(
            job.kind,
            flags=job.flags,
            seed=None,
            inputs=job.inputs,
            seconds=time.perf_counter() - start,
        )
        results = {
            "model": classifier.name,
            "parameters": network.count_params(),
            "seconds": manifest["seconds"],
            "layers": [_described(row) for row in rows],
            "bound": _bound(rows),
            "unknown": list(rows[-1].unknown),
            "sets": measured,
        }
        write_json(job.directory / RESULTS, results)
        write_json(job.directory / MANIFEST, manifest)
    return results


def build_network(
    name: str, image_shape: tuple[int, int, int] | None, num_classes: int, seed: int
) -> keras.Model:
    """A defined network with fresh weights.

    Args:
      name: that ``get_definition`` knows.
      image_shape: height, width, channels; None for that of the network's published weights.
      num_classes: number of classes.
      seed: of the weights.

    Raises:
      InputError: there is no such network, it has no images of its own, or it does not take these.
    """
    definition = get_definition(name)
    shape = image_shape or definition.image_shape
    if shape is None:
        raise InputError(
            f"model {name} takes images of many sizes; say which with --image_shape, such as "
            "28,28,1."
        )
    return definition.build(shape, num_classes, seed)


def _measure(
    network: keras.Model,
    classifier: Classifier,
    rows: Sequence[LayerBounds],
    adversarial_set: AdversarialSet,
) -> dict[str, Any]:
    examples = adversarial_set.examples
    found = (examples["success"] == 1) & (examples["distortion"] > 0)
    if not found.any():
        raise InputError(
            f"set {adversarial_set.name} has no example that was found; expected at least one."
        )
    chosen = {key: examples[key][found] for key in ("original", "image", "label")}
    ratios = measure_expansion(network, rows, chosen["original"], chosen["image"])
    bound, certificate = _bound(rows), None
    if bound is not None:
        outputs = predict_logits(classifier, chosen["original"])
        if classifier.probabilities:  # what the bound is of
            outputs = np.exp(outputs)
        certificate = certified_distances(outputs, bound, **chosen)
    return {
        "count": int(found.sum()),
        "layers": {
            name: {
                "largest": _finite(np.nanmax, expansion.layer),
                "mean": _finite(np.nanmean, expansion.layer),
                "network_largest": float(expansion.network.max()),
                "network_mean": float(expansion.network.mean()),
            }
            for name, expansion in ratios.items()
        },
        "certificate": certificate,
    }


def _finite(reduce: Any, ratios: np.ndarray) -> float | None:
    """None where a layer saw no difference at all."""
    return float(reduce(ratios)) if np.isfinite(ratios).any() else None


def _bound(rows: Sequence[LayerBounds]) -> float | None:
    return None if rows[-1].unknown or not math.isfinite(rows[-1].network) else rows[-1].network


def _described(row: LayerBounds) -> Mapping[str, Any]:
    described = {**vars(row), "kernel": list(row.kernel) if row.kernel else None}
    bounds = described.pop("bounds")
    return described | {
        "lower": bounds.lower if bounds else None,
        "upper": bounds.upper if bounds else None,
        "unknown": list(row.unknown),
    }
