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
    NetworkBounds,
    certified_distances,
    measure_expansion,
    network_bounds,
    spread_of,
)
from tfblindspots.artifacts import MANIFEST, build_manifest, read_json, write_json
from tfblindspots.errors import InputError
from tfblindspots.experiments.evaluation import distinct_names, set_inputs
from tfblindspots.experiments.jobs import Job
from tfblindspots.experiments.provenance import warn_of_namesakes
from tfblindspots.models import (
    Classifier,
    ModelInterface,
    check_labels,
    get_definition,
    is_unanswered,
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
    allow_unsafe: bool = False,
    progress: bool = False,
) -> dict[str, Any]:
    """Bounds every layer of a network and the network, and measures it on adversarial sets.

    Args:
      model: what ``load_keras_model`` takes, or a functional Keras model.
      output_dir: gets ``results.json`` and the manifest.
      adversarial_sets: directories of sets, made for this network or for another one; of their
        examples those that were found are looked at.
      interface: how the images of a model on disk differ from those in [0, 1].
      allow_unsafe: see ``load_classifier``.
      progress: show progress bars.

    Returns:
      What ``results.json`` holds: ``model``, ``parameters``, its number; ``layers``, one entry each
      with the fields of ``LayerBounds``; ``bound``, of the network's Lipschitz constant, None where
      a layer's is unknown or the product overflows; ``unknown``, the names of those layers; and
      ``sets``, by name: ``count`` of pairs, ``largest`` and ``mean`` ratio of the distance of the
      outputs to that of the images, ``layers``, by name the same of the layer and of the
      ``network`` down to it, and ``certificate`` (see ``certified_distances``; None where there is
      no bound).

    Raises:
      InputError: the model cannot be read or does not say what its layers are; a set is absent,
        damaged, of other images or classes than the model's, or has no example that was found; the
        directory holds other files or results of other settings.
    """
    network = (
        model
        if isinstance(model, keras.Model)
        else load_keras_model(model, interface, allow_unsafe=allow_unsafe)
    )
    classifier = load_classifier(model, interface=interface, allow_unsafe=allow_unsafe)
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
        bounds = network_bounds(
            network, progress=lambda nodes: tqdm(nodes, "layers", disable=not progress)
        )
        measured = {
            name: _measure(network, classifier, bounds, read_adversarial_set(path))
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
            "layers": [_described(row) for row in bounds.layers],
            "bound": _known_bound(bounds),
            "unknown": list(bounds.unknown),
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
    bounds: NetworkBounds,
    adversarial_set: AdversarialSet,
) -> dict[str, Any]:
    warn_of_namesakes(adversarial_set, [classifier])
    examples = adversarial_set.examples
    found = (examples["success"] == 1) & (examples["distortion"] > 0)
    if not found.any():
        raise InputError(
            f"set {adversarial_set.name} has no example that was found; expected at least one."
        )
    original, image, label = (examples[key][found] for key in ("original", "image", "label"))
    check_labels(classifier, label)
    ratios = measure_expansion(network, bounds.layers, original, image)
    bound, certificate = _known_bound(bounds), None
    if bound is not None:
        spread = spread_of(bound, network.outputs[0].shape[-1], classifier.probabilities)
        certificate = certified_distances(
            _outputs(classifier, original),
            _outputs(classifier, image),
            spread,
            original,
            image,
            label,
        )
    return {
        "count": int(found.sum()),
        "largest": float(ratios.output.max()),
        "mean": float(ratios.output.mean()),
        "layers": {
            name: {
                "largest": _finite(np.nanmax, expansion.layer),
                "mean": _finite(np.nanmean, expansion.layer),
                "network_largest": float(expansion.network.max()),
                "network_mean": float(expansion.network.mean()),
            }
            for name, expansion in ratios.layers.items()
        },
        "certificate": certificate,
    }


def _outputs(classifier: Classifier, images: np.ndarray) -> np.ndarray:
    """What the bound is of: logits, or probabilities where the network gives these."""
    logits = predict_logits(classifier, images)
    if is_unanswered(logits).any():
        raise InputError(
            f"model {classifier.name} returns NaN for {is_unanswered(logits).sum()} of "
            f"{len(images)} images; expected numbers, which the bound is compared with. Leave "
            "these images out or train the model again."
        )
    return np.exp(logits) if classifier.probabilities else logits


def _finite(reduce: Any, ratios: np.ndarray) -> float | None:
    """None where a layer saw no difference at all."""
    return float(reduce(ratios)) if np.isfinite(ratios).any() else None


def _known_bound(bounds: NetworkBounds) -> float | None:
    return None if bounds.unknown else _or_none(bounds.bound)


def _or_none(value: float | None) -> float | None:
    """JSON has no infinity, which the product of many large bounds can become."""
    return value if value is not None and math.isfinite(value) else None


def _described(row: LayerBounds) -> Mapping[str, Any]:
    described = {**vars(row), "kernel": list(row.kernel) if row.kernel else None}
    bounds = described.pop("bounds")
    return described | {
        "lower": bounds.lower if bounds else None,
        "upper": bounds.upper if bounds else None,
        "unknown": list(row.unknown),
        "constant": _or_none(row.constant),
        "network": _or_none(row.network),
    }
