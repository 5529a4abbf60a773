"""Re-checks from disk what an adversarial set claims: its files, its pixels, its model."""

import collections
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from tfblindspots import adversarial_sets, analysis
from tfblindspots.adversarial_sets import NPZ, Layout
from tfblindspots.analysis import Violation
from tfblindspots.artifacts import MANIFEST, read_manifest
from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.experiments.choosing import choose_images, class_names
from tfblindspots.experiments.verification_sources import (
    FAILS,
    HOLDS,
    LEFT_OUT,
    UNCHECKED,
    Check,
    LoadDataset,
    LoadModel,
    the_dataset,
    the_model,
)
from tfblindspots.models import Classifier, predict_classes

# What is checked at a time: numbers in the images.
_CHUNK_VALUES = 4_000_000

Examples = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Verification:
    """What a set's claims came to.

    Attributes:
      checks: in the order in which they were made.
      num_examples: of the set.
      seconds: that the checks took, without loading and tracing the model.
    """

    checks: tuple[Check, ...]
    num_examples: int
    seconds: float

    def named(self, *outcomes: str) -> list[str]:
        """The checks of some outcomes."""
        return [check.name for check in self.checks if check.outcome in outcomes]

    @property
    def holds(self) -> bool:
        """Whether all that is claimed was checked, or left out, and nothing is wrong."""
        return not self.named(FAILS, UNCHECKED)

    def verdict(self, directory: str | os.PathLike[str]) -> str:
        """One line about the set in ``directory``."""
        parts = [
            f"{', '.join(names)} {outcome}"
            for outcome, names in (
                ("failed", self.named(FAILS)),
                ("could not be checked", self.named(UNCHECKED)),
                ("left out", self.named(LEFT_OUT)),
            )
            if names
        ]
        work = f"{self.num_examples:,} examples in {self.seconds:.1f} s"
        if not self.holds:
            return f"{directory} is not known to be what it claims ({work}): {'; '.join(parts)}."
        return f"verified: {directory} ({work}{''.join(f'; {part}' for part in parts)})"


def verify_adversarial_set(
    directory: str | os.PathLike[str],
    *,
    load_model: LoadModel | None,
    load_dataset: LoadDataset | None,
    dataset: str | None = None,
    split: str | None = None,
    spot_checks: int = 300,
    seed: int = 0,
    progress: bool = False,
) -> Verification:
    """Re-checks everything that can be checked of a set without attacking again.

    Args:
      directory: of the set.
      load_model: loads the model to compare with, used as the set's manifest says; None to leave
        out what needs the model.
      load_dataset: from a dataset's name and split to the images to compare with; None to leave
        that out.
      dataset: its name; None for the one in the manifest, where it names one.
      split: its split; None for the one in the manifest.
      spot_checks: successful examples whose way back to the original is searched.
      seed: of their draw.
      progress: show a progress bar.

    Returns:
      What became of each kind of claim.

    Raises:
      InputError: there is no set, or a newer version wrote it; the model, or the dataset or split
        that is given here, cannot be loaded.
    """
    start = time.perf_counter()
    root = Path(directory)
    manifest = read_manifest(root, adversarial_sets.KIND)
    layout = adversarial_sets.check_manifest(manifest, root / MANIFEST)
    images, dataset_check = the_dataset(manifest, layout, load_dataset, (dataset, split))
    loading = time.perf_counter()
    classifier, model_check = the_model(manifest, layout, load_model)
    if classifier:
        predict_classes(classifier, np.zeros((1, *layout.image_shape), np.float32))
    start += time.perf_counter() - loading
    problems = adversarial_sets.file_problems(root, manifest, layout)
    examples, numbers = _read(root, layout, manifest["schema"], problems)
    checks = [_files(root, manifest, layout, problems), dataset_check, model_check]
    if manifest.keys() & {"attack", "dataset", "summary", "quality_card"}:
        checks.append(_settings(manifest, layout, examples, numbers, images, classifier, checks))
    if numbers.size:
        violations: dict[str, list[Violation]] = collections.defaultdict(list)
        with tqdm(desc="verify", total=len(numbers), unit="img", disable=not progress) as bar:
            for part in _chunks(len(numbers), layout):
                chunk = {name: values[part] for name, values in examples.items()}
                rows = np.arange(len(numbers))[part]
                for name, violation in _violations(chunk, manifest, layout, images, classifier):
                    violations[name].append(violation.of(rows))
                bar.update(len(rows))
        if "attack" in manifest:
            violations["values"] += analysis.repeated_indices(examples)
        for name, text in {
            "values": "every value is in its range, every pixel in the box",
            **({"originals": "originals and labels are the dataset's"} if images else {}),
            **({"predictions": "the model gives every stored class"} if classifier else {}),
            "success": "follows from the classes",
            "distortions": "follow from the pixels",
        }.items():
            checks.append(_found(name, violations[name], text, examples, numbers, layout))
        sound = not violations["values"]
        if classifier and sound:
            checks.append(_minimality(examples, numbers, manifest, classifier, spot_checks, seed))
        if len(numbers) == layout.num_examples and sound:
            checks += _whole(root, examples, manifest)
    at_hand = {"dataset": images is not None, "model": classifier is not None}
    checks += _prevented(root, manifest, tuple(checks), at_hand)
    return Verification(tuple(checks), layout.num_examples, time.perf_counter() - start)


def _read(
    root: Path, layout: Layout, schema: int, problems: dict[str, str]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The examples of all shards that can be read, and their numbers in the set.

    Shards that cannot are added to ``problems``.
    """
    shards = layout.shard_paths(root)
    there = [path for path in shards if path.is_file()]
    try:
        parts = [adversarial_sets.read_shards(there, layout, schema)] if there else []
    except InputError:
        readable, parts = [], []
        for path in there:
            try:
                parts.append(adversarial_sets.read_shards([path], layout, schema))
                readable.append(path)
            except InputError as error:
                problems.setdefault(path.name, str(error))
        there = readable
    if not parts:
        return {}, np.zeros(0, np.int64)
    ranges = [layout.shard_range(shards.index(path)) for path in there]
    return (
        {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        if len(parts) > 1
        else parts[0],
        np.concatenate([np.arange(first, last) for first, last in ranges]),
    )


def _files(
    root: Path, manifest: Mapping[str, Any], layout: Layout, problems: Mapping[str, str]
) -> Check:
    lines = [f"{root / name} {problem}" for name, problem in problems.items()]
    if not lines:
        metadata = adversarial_sets.tfds_problem(root, layout, manifest["schema"])
        lines += [f"{root / metadata}"] if metadata else []
    if lines:
        text = f"{len(lines)} problem{'s' if len(lines) > 1 else ''}; copy the set again, whole"
        return Check("files", FAILS, text, tuple(lines))
    others = len(manifest.get("files", ()))
    text = f"{layout.num_shards} shards and {others} other files are those of the manifest"
    if not others:
        text = f"{layout.num_shards} shards are those of the manifest"
    return Check("files", HOLDS, f"{text}; TensorFlow Datasets reads them")


def _settings(
    manifest: Mapping[str, Any],
    layout: Layout,
    examples: Examples,
    numbers: np.ndarray,
    dataset: ImageDataset | None,
    classifier: Classifier | None,
    made: Sequence[Check],
) -> Check:
    """Whether the manifest agrees with itself, and its flags choose these images of the dataset.

    The examples' numbers in the set are ``numbers``; ``made`` says, among others, whether the
    dataset and the model are the set's own.
    """
    lines = analysis.settings_differences(manifest)
    same = all(check.outcome == HOLDS for check in made if check.name in ("dataset", "model"))
    if not lines and same and dataset and classifier and numbers.size:
        attack, flags = manifest["attack"], manifest["flags"]
        try:
            chosen = choose_images(
                classifier,
                dataset,
                attack["target"],
                attack["seed"],
                num_examples=flags.get("num_examples"),
                sample=flags.get("sample"),
            )
        except InputError as error:
            lines.append(f"flags: {error}")
        else:
            if layout.class_names != tuple(class_names(classifier, dataset)):
                lines.append(f"class_names are not those of {dataset.name}")
            indices = dataset.indices[chosen.positions]
            if len(indices) != manifest["num_examples"]:
                expected = f"the flags choose {len(indices)} images"
                lines.append(f"num_examples is {manifest['num_examples']}; {expected}")
            elif (indices[numbers] != examples["index"]).any():
                other = int(np.count_nonzero(indices[numbers] != examples["index"]))
                lines.append(f"{other:,} examples are of other images than the flags choose")
    text = "the manifest does not agree with itself" if lines else "the manifest agrees with itself"
    return Check("settings", FAILS if lines else HOLDS, text, tuple(lines))


def _chunks(count: int, layout: Layout) -> Iterator[slice]:
    size = max(1, _CHUNK_VALUES // math.prod(layout.image_shape))
    return (slice(first, first + size) for first in range(0, count, size))


def _violations(
    examples: Examples,
    manifest: Mapping[str, Any],
    layout: Layout,
    dataset: ImageDataset | None,
    classifier: Classifier | None,
) -> Iterator[tuple[str, Violation]]:
    """What does not hold of some examples, by the name of the check."""
    bad = analysis.value_violations(examples, manifest["schema"], len(layout.class_names))
    yield from (("values", violation) for violation in bad)
    good = np.arange(len(examples["index"]))
    if bad:
        # From what is not a number nothing follows.
        good = np.setdiff1d(good, np.concatenate([violation.numbers for violation in bad]))
        examples = {name: values[good] for name, values in examples.items()}
        if not good.size:
            return
    found = {
        "success": analysis.success_violations(examples),
        "distortions": analysis.size_violations(examples),
    }
    attack = manifest.get("attack")
    if attack:
        found["success"] += analysis.target_violations(examples, attack, len(layout.class_names))
        if attack.get("bits") != 8:
            found["success"] += analysis.unattacked_violations(examples)
        elif "image_uint8" in examples:
            found["success"] += analysis.eight_bit_violations(examples)
        if classifier:
            found["success"] += analysis.likelihood_violations(
                examples, attack["target"], classifier
            )
    if dataset:
        found["originals"] = analysis.original_violations(
            examples, dataset.images, dataset.labels, dataset.indices
        )
    if classifier:
        found["predictions"] = analysis.prediction_violations(examples, classifier)
    for name, violations in found.items():
        yield from ((name, violation.of(good)) for violation in violations)


def _found(
    name: str,
    violations: Sequence[Violation],
    text: str,
    examples: Examples,
    numbers: np.ndarray,
    layout: Layout,
) -> Check:
    """The check of a name that ``violations`` came of; ``text`` says what holds if there are none.

    The violations count rows of ``examples``, whose numbers in the set are ``numbers``.
    """
    if not violations:
        return Check(name, HOLDS, text)
    wrong = np.unique(np.concatenate([violation.numbers for violation in violations]))
    lines = []
    for violation in analysis.merged(violations):
        for row, problem in zip(violation.numbers, violation.texts, strict=False):
            shard = layout.shard_paths(Path())[numbers[row] // layout.shard_size]
            place = f"example {numbers[row]} (index {examples['index'][row]}) of {shard}"
            lines.append(f"{place}: {problem}")
        more = len(violation.numbers) - len(violation.texts)
        if more:
            lines.append(f"and {more:,} more examples whose {violation.claim} is wrong")
    return Check(name, FAILS, f"{len(wrong):,} of {len(numbers):,} examples", tuple(lines))


def _minimality(
    examples: Examples,
    numbers: np.ndarray,
    manifest: Mapping[str, Any],
    classifier: Classifier,
    count: int,
    seed: int,
) -> Check:
    rows = analysis.sample_found(examples, count, seed)
    if not rows.size:
        return Check("minimality", LEFT_OUT, "no example was drawn")
    drawn = {name: values[rows] for name, values in examples.items()}
    attack = manifest.get("attack")
    eight_bit = attack is not None and attack.get("bits") == 8
    shares = analysis.nearest_shares(drawn, classifier, eight_bit=eight_bit)
    nearer = np.flatnonzero(shares < 1)
    text = (
        f"of {len(rows)} examples drawn, {len(nearer)} have a success nearer by 1 % or more on "
        "the way to the original"
    )
    lines = tuple(
        f"example {numbers[rows[i]]} (index {drawn['index'][i]}, {drawn['status'][i]}): a success "
        f"lies at {shares[i]:.3g} of its distortion"
        for i in nearer[:5]
    )
    # Only a search that has converged says that its image is the nearest it can find.
    if attack is not None and (drawn["status"][nearer] == "converged").any():
        return Check("minimality", FAILS, text, lines)
    if nearer.size:
        return Check("minimality", LEFT_OUT, f"{text}; none of them claims to be nearest", lines)
    return Check("minimality", HOLDS, text)


def _whole(root: Path, examples: Examples, manifest: Mapping[str, Any]) -> Iterator[Check]:
    """The checks of what is said of all examples together."""
    if "summary" in manifest:
        lines = analysis.summary_differences(examples, manifest["summary"])
        if "quality_card" in manifest:
            lines += analysis.warning_differences(examples, manifest["quality_card"])
        text = "follows from the examples" if not lines else "does not follow from the examples"
        yield Check("summary", FAILS if lines else HOLDS, text, tuple(lines))
    if (root / NPZ).exists():
        problem = adversarial_sets.npz_problem(root / NPZ, examples, manifest)
        yield Check(NPZ, FAILS if problem else HOLDS, problem or "holds what the shards hold")


def _prevented(
    root: Path, manifest: Mapping[str, Any], made: Sequence[Check], at_hand: Mapping[str, bool]
) -> Iterator[Check]:
    """The checks that were not made because others failed, or could not be made themselves.

    Args:
      root: of the set.
      manifest: of the set.
      made: the checks that were made.
      at_hand: whether there is a model and a dataset to compare with.
    """
    outcomes = {check.name: check.outcome for check in made}
    claimed = ["values", "originals", "predictions", "success", "distortions", "minimality"]
    claimed += ["summary"] if "summary" in manifest else []
    claimed += [NPZ] if (root / NPZ).exists() else []
    for name in claimed:
        needed = {"originals": "dataset", "predictions": "model", "minimality": "model"}.get(name)
        if needed is None or at_hand[needed]:
            needed = "values" if outcomes.get("values") == FAILS else "files"
        if name not in outcomes and outcomes[needed] != LEFT_OUT:
            how = "failed" if outcomes[needed] == FAILS else "could not be checked"
            yield Check(name, UNCHECKED, f"since {needed} {how}")
