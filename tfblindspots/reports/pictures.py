"""The report's pictures, made from the adversarial sets on disk and written as PNG files."""

import base64
import math
import mimetypes
import os
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from tfblindspots import adversarial_sets
from tfblindspots.analysis.noise import gaussian_noise
from tfblindspots.artifacts import atomic_path
from tfblindspots.errors import InputError
from tfblindspots.reports import figures, formatting
from tfblindspots.reports.paper import LARGE_NOISE
from tfblindspots.reports.results import Results, noise_row

SETS = "adversarial_sets"
FIGURES = "figures"
SAMPLES = 10
# Letters that fit above an image: of one class's name, and of two beside each other.
_LONGEST_NAME, _ON_ONE_LINE = 22, 8
# Beyond this quantile a few images would squeeze all others into a corner of the plot.
_SHOWN_QUANTILE = 0.999


@dataclass(frozen=True)
class Picture:
    """A PNG or JPEG file with what is said of it."""

    file: str  # relative to the report
    data: bytes
    title: str
    caption: str

    @property
    def data_uri(self) -> str:
        """The file itself as a URI, for a report without other files."""
        kind, _ = mimetypes.guess_type(self.file)
        return f"data:{kind};base64,{base64.b64encode(self.data).decode()}"

    @property
    def link(self) -> str:
        """``file`` as a relative URL."""
        return urllib.parse.quote(self.file)


@dataclass(frozen=True)
class Pictures:
    """All pictures of a report."""

    examples: tuple[Picture, ...]  # E4, one a network, then noise
    distributions: tuple[Picture, ...]  # one a target
    notes: tuple[str, ...]  # what could not be shown, and why


def make_pictures(
    networks: str | os.PathLike[str], results: Results, output_dir: str | os.PathLike[str]
) -> Pictures:
    """Draws from every adversarial set in ``NETWORKS/adversarial_sets/TARGET/NAME``.

    One set is in memory at a time. Sets that are absent or unfinished are noted and left out.

    Args:
      networks: directory with the sets.
      results: says which networks and targets there are, and the seed by which samples are drawn.
      output_dir: the figures are written to its ``figures``.
    """
    root = Path(networks)
    examples: list[Picture] = []
    notes: list[str] = []
    distortions: dict[str, dict[str, np.ndarray]] = {}
    for target in results.targets:
        called = formatting.target(target)
        # Names come from a file that anyone may have edited: they are looked up, never joined.
        present = _entries(_entries(root / SETS).get(target))
        for network in results.networks:
            if network.name not in present:
                notes.append(f"There is no adversarial set of {network.title}, {called}.")
                continue
            try:
                found = read_shown(present[network.name], SAMPLES, results.seed or 0)
            except InputError as error:
                logging.warning("%s", error)
                notes.append(f"{network.title}, {called}: {error}")
                continue
            if found.turned.size:
                distortions.setdefault(target, {})[network.title] = found.turned
            if target == results.targets[0]:
                file = f"{FIGURES}/examples_{target}_{network.name}.png"
                examples.append(examples_picture(file, f"{network.title}, {called}", found))
                shown = found.shown
    examples += _noise(shown, results) if examples else ()
    pictures = Pictures(tuple(examples), _distributions(distortions), tuple(notes))
    write_pictures(output_dir, (*pictures.examples, *pictures.distributions))
    return pictures


def write_pictures(output_dir: str | os.PathLike[str], pictures: Iterable[Picture]) -> None:
    """Writes pictures to the files that they name, below the directory of the report."""
    for picture in pictures:
        with atomic_path(Path(output_dir) / picture.file) as temporary:
            temporary.write_bytes(picture.data)


def _entries(directory: Path | None) -> dict[str, Path]:
    if directory is None or not directory.is_dir():
        return {}
    return {entry.name: entry for entry in directory.iterdir()}


@dataclass(frozen=True)
class ShownSet:
    """What is kept of an adversarial set."""

    class_names: tuple[str, ...]  # as people say them
    adversarial: int  # images that are, to begin with or by the attack
    mean_distortion: float  # of these
    turned: np.ndarray  # distortions of the correctly classified images that the attack turned over
    shown: dict[str, np.ndarray]  # the fields of the examples that are drawn


def read_shown(directory: Path, number: int, seed: int) -> ShownSet:
    """Reads an adversarial set and draws ``number`` of its examples by the seed.

    Raises:
      InputError: it is not a finished adversarial set.
    """
    return shown_examples(adversarial_sets.read_adversarial_set(directory), number, seed)


def shown_examples(read: adversarial_sets.AdversarialSet, number: int, seed: int) -> ShownSet:
    """Draws ``number`` examples of a set by the seed."""
    found = read.examples
    positions = figures.sample_positions(len(found["label"]), number, seed)
    success = found["success"] == 1
    correct = found["original_prediction"] == found["label"]
    return ShownSet(
        class_names=tuple(map(adversarial_sets.readable_class_name, read.manifest["class_names"])),
        adversarial=int(success.sum()),
        mean_distortion=_mean(found["distortion"][success]),
        turned=found["distortion"][correct & success],
        shown={name: values[positions] for name, values in found.items()},
    )


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values, dtype=np.float64)) if values.size else math.nan


def examples_picture(
    file: str, title: str, found: ShownSet, magnified: figures.Magnified | None = None
) -> Picture:
    """Originals, differences and adversarial images of a set.

    Args:
      file: relative to the report; JPEG where its name ends in ``.jpg``, else PNG.
      title: names the set.
      found: the set.
      magnified: how differences are shown; None for a scale that ends at the largest.
    """
    original, adversarial = found.shown["original"], found.shown["image"]
    captions = [
        _caption({name: values[i] for name, values in found.shown.items()}, found.class_names)
        for i in range(len(original))
    ]
    largest = float(np.max(np.abs(adversarial - original), initial=0.0))
    shown_distortion = _mean(found.shown["distortion"][found.shown["success"] == 1])
    figure = figures.examples_figure(original, adversarial, captions, magnified=magnified)
    return Picture(
        file=file,
        data=(figures.jpeg if file.endswith(".jpg") else figures.png)(figure),
        title=title,
        caption=(
            f"{title}. Mean distortion {formatting.distortion(found.mean_distortion)} over all "
            f"{formatting.count(found.adversarial)} adversarial images, "
            f"{formatting.distortion(shown_distortion)} over those shown. "
            f"{_difference_caption(largest, magnified)}"
        ),
    )


def _difference_caption(largest: float, magnified: figures.Magnified | None) -> str:
    if not largest:
        return "None of those shown was changed."
    if magnified is None:
        return (
            f"The difference’s scale runs from −{largest:.2g} (blue) to +{largest:.2g} (red) of a "
            "pixel’s range."
        )
    called = "absolute difference" if magnified.absolute else "difference"
    shifted = "" if magnified.absolute else " shifted by 128,"
    return (
        f"The {called} is shown {magnified.magnification:g} times as large,{shifted} and clamped; "
        f"the largest change of a pixel is {255 * largest:.3g} of 255 grey levels."
    )


def _noise(shown: Mapping[str, np.ndarray], results: Results) -> Iterator[Picture]:
    """The same images with noise far larger than any adversarial change (figure 7c)."""
    table = next(iter(results.cross_model.values()), None)
    row = noise_row(table, LARGE_NOISE) if table else None
    if row is None:
        return
    original = shown["original"]
    noisy = gaussian_noise(original, LARGE_NOISE, seed=results.seed or 0, indices=shown["index"])
    accuracies = "; ".join(
        f"{results.title(name)} {formatting.percent(1 - cell.rate)}"
        for name, cell in row.cells.items()
    )
    captions = [str(label) for label in shown["label"]]
    figure = figures.examples_figure(original, noisy, captions, name="noisy")
    yield Picture(
        file=f"{FIGURES}/examples_noise.png",
        data=figures.png(figure),
        title="Gaussian noise",
        caption=(
            f"The same images with Gaussian noise of standard deviation {LARGE_NOISE:g} (shown "
            f"clipped to [0, 1]), and their classes. Accuracy on all images with it: {accuracies}. "
            "In the paper 51 %, it does not say of which network."
        ),
    )


def _caption(example: Mapping[str, Any], class_names: Sequence[str]) -> str:
    before, after = (
        _shortened(class_names[example[name]]) for name in ("original_prediction", "prediction")
    )
    if example["original_prediction"] != example["label"]:
        return f"{before}\nmisclassified"
    if not example["success"]:
        return f"{before}\nnone found"
    arrow = " → " if len(before) + len(after) <= _ON_ONE_LINE else "\n→ "
    return f"{before}{arrow}{after}\n{formatting.distortion(float(example['distortion']))}"


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _distributions(distortions: Mapping[str, Mapping[str, np.ndarray]]) -> tuple[Picture, ...]:
    limit = max(
        (
            float(np.quantile(values, _SHOWN_QUANTILE))
            for by_network in distortions.values()
            for values in by_network.values()
        ),
        default=0.0,
    )
    return tuple(
        Picture(
            file=f"{FIGURES}/distortions_{target}.png",
            data=figures.png(figures.distortions_figure(by_network, 1.02 * limit or 1.0)),
            title=f"Distortions, {formatting.target(target)}",
            caption=(
                f"{formatting.target(target).capitalize()}: share of the correctly classified "
                "images whose minimum distortion is at most the value below. Dots mark the means."
            ),
        )
        for target, by_network in distortions.items()
    )
