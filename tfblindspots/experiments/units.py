"""E5: the images that maximise units of a layer, against those that maximise random directions.

The paper (section 3, figures 1 to 4) compares them by eye; here numbers go with the pictures.
"""

import dataclasses
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from tfblindspots.analysis import (
    compare,
    label_coherence,
    mean_cosine_similarity,
    moving_units,
    random_directions,
    top_images,
    unit_directions,
    whitened_directions,
)
from tfblindspots.artifacts import MANIFEST, atomic_path, build_manifest, read_json, write_json
from tfblindspots.data import ImageDataset, Images
from tfblindspots.errors import InputError
from tfblindspots.experiments.jobs import Job
from tfblindspots.experiments.training import describe
from tfblindspots.models import Layer, ModelInterface, check_images, load_classifier, load_layer
from tfblindspots.reports.figures import png
from tfblindspots.reports.reading import RESULTS
from tfblindspots.reports.unit_figures import coherence_figure, rows_figure

_NO_INTERFACE = ModelInterface()
DISTRIBUTIONS = "coherence.png"
# Kinds of directions, and the file of each one's pictures.
KINDS = {
    "units": "units.png",
    "random": "random_directions.png",
    "whitened": "whitened_directions.png",
}
# Times that the activations of all images are computed: which units move, whitening, top images.
_PASSES = 3


@dataclass(frozen=True)
class UnitsConfig:
    """What is compared.

    Attributes:
      layer: of the model.
      units: numbers of the units; None for ``num_units`` drawn at random from those that at least
        ``top`` images move.
      num_units: units to draw, all of them where there are fewer.
      num_directions: random directions of each kind.
      top: images a unit or direction.
      rows: units and directions that are shown as pictures, drawn at random (units that are named
        are all shown).
      seed: of every draw.
    """

    layer: str
    units: tuple[int, ...] | None = None
    num_units: int = 100
    num_directions: int = 1000
    top: int = 8
    rows: int = 6
    seed: int = 0


def inspect_units(
    model: str | os.PathLike[str],
    dataset: ImageDataset,
    config: UnitsConfig,
    output_dir: str | os.PathLike[str],
    *,
    reference: tuple[str | os.PathLike[str], str] | None = None,
    interface: ModelInterface = _NO_INTERFACE,
    allow_unsafe: bool = False,
    progress: bool = False,
) -> dict[str, Any]:
    """Finds the top images of units and of random directions, and measures how alike they are.

    Args:
      model: whose layer is looked at; a model that ``load_layer`` takes.
      dataset: the images, which the model should not have been trained on.
      config: what to compare.
      output_dir: gets ``results.json``, ``KINDS``' pictures, ``coherence.png`` and the manifest.
      reference: another model and one of its layers, in whose features images are compared too.
      interface: how the images of these models differ from those in [0, 1].
      allow_unsafe: see ``load_classifier``.
      progress: show a progress bar.

    Returns:
      What ``results.json`` holds: ``layer``, its ``shape``, its number of ``units``
      and of those that are moved by at least ``top`` images; ``kinds``, for each of ``KINDS`` that
      was measured the ``top`` images' indices and each measure, a number a unit or direction;
      ``comparisons``, for each kind of random directions and each measure what ``compare`` gives.
      Measures: ``purity`` and ``entropy`` (bits) of the labels, unless no two images have the same;
      mean pairwise cosine similarity of ``pixels`` and of ``features``.

    Raises:
      InputError: the model, its layer or the reference's do not exist or do not fit the images; a
        unit does not exist; there are fewer images than ``top``, or too few of anything to compare;
        the directory holds other files or results of other settings.
    """
    layer = load_layer(model, config.layer, interface, allow_unsafe=allow_unsafe)
    _check(config, dataset, layer)
    directory = Path(output_dir)
    classifier = load_classifier(model, interface=interface, allow_unsafe=allow_unsafe)
    inputs = {
        "model": classifier.description,
        "dataset": describe(dataset),
    }
    check_images(classifier, dataset.images)
    reference_layer = None
    if reference is not None:
        other = load_classifier(reference[0], interface=interface, allow_unsafe=allow_unsafe)
        inputs["reference"] = other.description
        check_images(other, dataset.images)
        reference_layer = load_layer(*reference, interface, allow_unsafe=allow_unsafe)
    job = Job(
        directory,
        "units",
        {
            "dataset": dataset.name,
            "split": dataset.split,
            **dataclasses.asdict(config),
            "units": None if config.units is None else ",".join(map(str, config.units)),
            "reference_layer": reference[1] if reference else None,
        },
        inputs,
    )
    files = [RESULTS, DISTRIBUTIONS, *KINDS.values()]
    if job.finished(parts=files):
        return read_json(directory / RESULTS)
    start = time.perf_counter()
    with job.claim(allowed=files):
        with tqdm(
            desc=f"activations of {layer.name}",
            total=_PASSES * len(dataset.images),
            unit="img",
            disable=not progress,
        ) as bar:
            layer = _counted(layer, bar)
            moving = moving_units(layer.activations, dataset.images, config.top)
            units = _units(config, layer, moving)
            directions = _directions(layer, dataset, config, units)
            top = top_images(
                layer.activations,
                dataset.images,
                np.concatenate([*directions.values()]),
                config.top,
            )
            counts = np.cumsum([len(found) for found in directions.values()])
            tops = dict(zip(directions, np.split(top, counts[:-1]), strict=True))
        kinds = _measure(dataset, config, units, tops, reference_layer)
        comparisons = {
            kind: {
                measure: compare(
                    np.array(kinds["units"]["measures"][measure]),
                    np.array(kinds[kind]["measures"][measure]),
                    config.seed,
                )
                for measure in kinds[kind]["measures"]
            }
            for kind in ("random", "whitened")
        }
        seconds = time.perf_counter() - start
        manifest = build_manifest(
            job.kind, flags=job.flags, seed=config.seed, inputs=inputs, seconds=seconds
        )
        results = {
            "flags": job.flags,
            "model": classifier.name,
            "dataset": describe(dataset),
            "layer": layer.name,
            "shape": list(layer.shape),
            "units": layer.size,
            "moving_units": len(moving),
            "reference": {"model": other.name, "layer": reference[1]} if reference else None,
            "seconds": manifest["seconds"],
            "comparisons": comparisons,
            "kinds": kinds,
        }
        write_json(directory / RESULTS, results)
        _draw(directory, dataset, config, kinds)
        write_json(directory / MANIFEST, manifest)
    return results


def _check(config: UnitsConfig, dataset: ImageDataset, layer: Layer) -> None:
    if not 2 <= config.top < len(dataset.labels):
        raise InputError(
            f"the top {config.top} images were asked for, and {dataset.name} {dataset.split} has "
            f"{len(dataset.labels)}; expected at least 2, and fewer than that."
        )
    if len(config.units or (0, 0)) < 2 or min(config.num_units, config.num_directions) < 2:
        raise InputError(
            "fewer than two units or directions cannot be compared; expected at least 2 of each."
        )
    if len(set(config.units or ())) < len(config.units or ()):
        raise InputError("a unit is named more than once; expected each once.")
    wrong = [unit for unit in config.units or () if not 0 <= unit < layer.size]
    if wrong:
        raise InputError(
            f"layer {layer.name} has no unit {wrong[0]}; expected 0 to {layer.size - 1}."
        )


def _units(config: UnitsConfig, layer: Layer, moving: np.ndarray) -> np.ndarray:
    """The numbers of the units that are looked at, int64 [U]."""
    if config.units is not None:
        still = sorted(set(config.units) - set(moving.tolist()))
        if still:
            raise InputError(
                f"unit {still[0]} of layer {layer.name} is moved by fewer than {config.top} of the "
                "images, so that its top images would be arbitrary; name other units."
            )
        return np.array(config.units, np.int64)
    if len(moving) < 2:
        raise InputError(
            f"of layer {layer.name} {len(moving)} units are moved by at least {config.top} images; "
            "expected at least 2 to compare. Name another layer."
        )
    generator = np.random.default_rng(config.seed)
    size = min(config.num_units, len(moving))
    return np.sort(generator.choice(moving, size=size, replace=False))


def _counted(layer: Layer, bar: tqdm) -> Layer:
    """The layer, with every image that it is asked about shown on a progress bar."""

    def activations(images: Images) -> np.ndarray:
        values = layer.activations(images)
        bar.update(len(images))
        return values

    return dataclasses.replace(layer, activations=activations)


def _directions(
    layer: Layer, dataset: ImageDataset, config: UnitsConfig, units: np.ndarray
) -> dict[str, np.ndarray]:
    """Of each kind, float32 [D, n]."""
    count, seed = config.num_directions, config.seed
    return {
        "units": unit_directions(units, layer.size),
        "random": random_directions(count, layer.size, seed),
        "whitened": whitened_directions(layer.activations, dataset.images, count, seed),
    }


def _measure(
    dataset: ImageDataset,
    config: UnitsConfig,
    units: np.ndarray,
    tops: Mapping[str, np.ndarray],
    reference: Layer | None,
) -> dict[str, Any]:
    """For each kind of directions, the top images and how alike they are."""
    images = dataset.images
    features = {"pixels": lambda rows: images[rows].reshape(len(rows), -1)}
    if reference is not None:
        features["features"] = reference.activations(images).__getitem__
    # One image a class, as in a sample of all classes: no two can agree.
    several = np.bincount(dataset.labels).max() > 1
    kinds = {}
    for kind, top in tops.items():
        measures = {
            **(label_coherence(dataset.labels[top], dataset.num_classes) if several else {}),
            **{name: mean_cosine_similarity(x, top) for name, x in features.items()},
        }
        kinds[kind] = {
            "numbers": units.tolist() if kind == "units" else list(range(config.num_directions)),
            "measures": {name: values.tolist() for name, values in measures.items()},
            "top": dataset.indices[top].tolist(),
        }
    return kinds


def _draw(
    directory: Path, dataset: ImageDataset, config: UnitsConfig, kinds: Mapping[str, Any]
) -> None:
    """The pictures: some rows of each kind, and the distributions of all measures."""
    position = {index: i for i, index in enumerate(dataset.indices.tolist())}
    generator = np.random.default_rng(config.seed)
    for kind, file in KINDS.items():
        found = kinds[kind]
        count = len(found["top"])
        if kind == "units" and config.units is not None:
            shown: Sequence[int] = range(count)
        else:
            size = min(config.rows, count)
            shown = np.sort(generator.choice(count, size=size, replace=False)).tolist()
        rows = [dataset.images[[position[i] for i in found["top"][row]]] for row in shown]
        called = "unit" if kind == "units" else "direction"
        names = [f"{called} {found['numbers'][row]}" for row in shown]
        with atomic_path(directory / file) as temporary:
            temporary.write_bytes(png(rows_figure(np.stack(rows), names)))
    measures = {kind: found["measures"] for kind, found in kinds.items()}
    with atomic_path(directory / DISTRIBUTIONS) as temporary:
        temporary.write_bytes(png(coherence_figure(measures)))
