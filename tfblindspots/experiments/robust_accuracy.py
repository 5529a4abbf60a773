"""The robust accuracy of attacked models at every radius, from their adversarial sets."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tfblindspots.adversarial_sets import AdversarialSet, read_adversarial_set
from tfblindspots.analysis import robust_accuracy
from tfblindspots.artifacts import (
    MANIFEST,
    atomic_path,
    build_manifest,
    fingerprint_arrays,
    read_json,
    write_json,
)
from tfblindspots.errors import InputError
from tfblindspots.experiments.evaluation import distinct_names, set_inputs
from tfblindspots.experiments.jobs import Job
from tfblindspots.reports.figures import png
from tfblindspots.reports.robust_accuracy import robust_accuracy_figure

RESULTS = "robust_accuracy.json"
PLOT = "robust_accuracy.png"
_MEANING = (
    "Share of the images that are still classified correctly when any change of L2 norm up to the "
    "radius is allowed. upper, from the nearest adversarial images that the attack found, is an "
    "upper bound of it: nearer ones may exist. lower is the same with every image counted as "
    "fallen above radius 0 whose search did not converge; it is no certificate."
)


def measure_robust_accuracy(
    adversarial_sets: Sequence[str | os.PathLike[str]],
    output_dir: str | os.PathLike[str],
    *,
    progress: bool = False,
) -> dict[str, Any]:
    """Measures and plots robust accuracy, or finds these very measurements already there.

    Args:
      adversarial_sets: directories of adversarial sets, a curve each. All are of the same images,
        as only then do the curves compare models or attacks.
      output_dir: where ``robust_accuracy.json``, ``robust_accuracy.png`` and the manifest go.
      progress: show a progress bar.

    Returns:
      What ``robust_accuracy.json`` holds: ``meaning``, in words, and ``curves``, one a set: its
      ``name``, ``model``, ``target`` of the attack (None where the set does not say) and what
      ``analysis.robust_accuracy`` gives.

    Raises:
      InputError: no set is named, or one twice; a set is absent, unfinished or damaged; two sets
        are of different images; the directory holds other files or the results of other settings.
    """
    if not adversarial_sets:
        raise InputError("there is nothing to measure; name at least one adversarial set.")
    sets = dict(zip(distinct_names(adversarial_sets), adversarial_sets, strict=True))
    directory = Path(output_dir)
    job = Job(directory, "robust_accuracy", {"adversarial_sets": ",".join(sets)}, set_inputs(sets))
    if job.finished(parts=[RESULTS, PLOT]):
        return read_json(directory / RESULTS)
    start = time.perf_counter()
    with job.claim(allowed=[RESULTS, PLOT]):
        curves = []
        images_of: dict[str, str] = {}
        # One set at a time, since few fit in memory.
        for name, path in tqdm(sets.items(), "robust accuracy", unit="set", disable=not progress):
            adversarial_set = read_adversarial_set(path)
            _require_same_images(images_of, name, adversarial_set)
            curves.append(_curve(name, adversarial_set))
        results = {"meaning": _MEANING, "curves": curves}
        write_json(directory / RESULTS, results)
        with atomic_path(directory / PLOT) as temporary:
            temporary.write_bytes(png(robust_accuracy_figure(curves)))
        manifest = build_manifest(
            job.kind,
            flags=job.flags,
            seed=None,
            inputs=job.inputs,
            seconds=time.perf_counter() - start,
        )
        write_json(directory / MANIFEST, manifest)
    return results


def _curve(name: str, adversarial_set: AdversarialSet) -> dict[str, Any]:
    try:
        curve = robust_accuracy(adversarial_set.examples)
    except InputError as error:
        raise InputError(f"set {name}: {error}") from None
    manifest = adversarial_set.manifest
    return {
        "name": name,
        "model": manifest["model"]["name"],
        "target": manifest.get("attack", {}).get("target"),
        **curve,
    }


def _require_same_images(
    images_of: dict[str, str], name: str, adversarial_set: AdversarialSet
) -> None:
    """Adds a set to the fingerprints by set's name, which are to be all the same."""
    examples = adversarial_set.examples
    images_of[name] = fingerprint_arrays(examples["original"], examples["label"])
    first = next(iter(images_of))
    if images_of[name] != images_of[first]:
        raise InputError(
            f"sets {first} and {name} come from different images or labels; expected attacks on "
            "the same, since the curves are compared. Attack the same --dataset and --split, or "
            "measure the sets one by one."
        )
