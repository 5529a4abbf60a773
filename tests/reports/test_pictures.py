import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfblindspots.adversarial_sets import AdversarialSetWriter
from tfblindspots.artifacts import build_manifest
from tfblindspots.reports import figures, paper
from tfblindspots.reports.pictures import (
    Picture,
    Pictures,
    examples_picture,
    make_pictures,
    read_shown,
)
from tfblindspots.reports.reading import read_results

WriteResults = Callable[[dict[str, Any]], Path]


def make_sets(directory: Path, *names: str) -> None:
    for name in names:
        (directory / "adversarial_sets" / name).mkdir(parents=True)


def pictures_of(directory: Path) -> Pictures:
    return make_pictures(directory, read_results(directory), directory)


def test_every_network_has_examples_and_every_target_a_distribution(
    write_results: WriteResults, results_content: dict[str, Any]
) -> None:
    directory = write_results(results_content)
    make_sets(directory, *(f"{t}/{n}" for t in ("random", "untargeted") for n in paper.NETWORKS))
    pictures = pictures_of(directory)
    assert [picture.file for picture in pictures.examples] == [
        f"figures/examples_random_{name}.png" for name in paper.NETWORKS
    ]
    assert [picture.file for picture in pictures.distributions] == [
        "figures/distortions_random.png",
        "figures/distortions_untargeted.png",
    ]
    assert pictures.notes == ()
    for picture in (*pictures.examples, *pictures.distributions):
        assert (directory / picture.file).read_bytes() == picture.data
        assert picture.data.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(list((directory / "figures").iterdir())) == 8


def test_noise_is_shown_on_the_same_images(
    write_results: WriteResults, results_content: dict[str, Any]
) -> None:
    for table in results_content["cross_model"].values():
        cells = [{"model": "fc10-1", "rate": 0.49, "low": 0.48, "high": 0.5, "count": 60000}]
        table["rows"].append(
            {"name": "n", "made_for": None, "mean_distortion": 1.0, "cells": cells}
        )
    directory = write_results(results_content)
    make_sets(directory, "random/fc10-1")
    examples, noise = pictures_of(directory).examples
    assert noise.file == "figures/examples_noise.png"
    assert "standard deviation 1 " in noise.caption
    assert "Accuracy on all images with it: FC10(1) 51.0" in noise.caption
    assert noise.data != examples.data


def test_captions_state_the_distortion_and_the_range(
    write_results: WriteResults, results_content: dict[str, Any]
) -> None:
    directory = write_results(results_content)
    make_sets(directory, "random/fc10-1e-4")
    (picture,) = pictures_of(directory).examples
    assert picture.caption.startswith("FC10(1e-4), random target. Mean distortion 0.0")
    assert "over all 40 adversarial images" in picture.caption
    assert "The difference’s scale runs from −0." in picture.caption


def test_missing_and_unfinished_sets_are_noted(
    write_results: WriteResults, results_content: dict[str, Any]
) -> None:
    results_content["networks"] = results_content["networks"][:3]
    directory = write_results(results_content)
    make_sets(directory, "random/fc10-1e-4", "random/fc10-1e-2", "untargeted/other")
    (directory / "adversarial_sets/random/fc10-1e-2/unfinished").touch()
    pictures = pictures_of(directory)
    assert len(pictures.examples) == len(pictures.distributions) == 1
    assert pictures.notes == (
        "FC10(1e-2), random target: fc10-1e-2 has no manifest.json; expected a finished set.",
        "There is no adversarial set of FC10(1), random target.",
        "There is no adversarial set of FC10(1e-4), untargeted.",
        "There is no adversarial set of FC10(1e-2), untargeted.",
        "There is no adversarial set of FC10(1), untargeted.",
    )


def test_names_do_not_lead_out_of_the_directory(
    write_results: WriteResults, results_content: dict[str, Any]
) -> None:
    results_content["networks"] = [
        {"name": "../../outside", "attacks": {"../random": {}, "random": {}}}
    ]
    directory = write_results(results_content)
    make_sets(directory, "random/fc10-1")
    (directory.parent / "outside").mkdir(exist_ok=True)
    pictures = pictures_of(directory)
    assert (pictures.examples, pictures.distributions) == ((), ())
    assert not (directory / "figures").exists()


@pytest.fixture
def real_set(tmp_path: Path) -> Path:
    """A set on disk of four images: turned over, misclassified before, not found, turned over."""
    directory = tmp_path / "run"
    original = np.full((4, 4, 4, 1), 0.5, np.float32)
    change = np.array([0.1, 0, 0, 0.3], np.float32)
    writer = AdversarialSetWriter(
        directory / "adversarial_sets/random/fc10-1",
        image_shape=(4, 4, 1),
        class_names=[str(i) for i in range(10)],
        source_split="train",
        num_examples=4,
        shard_size=4,
    )
    writer.write_shard(
        0,
        {
            "image": original + change.reshape(4, 1, 1, 1),
            "original": original,
            "label": np.array([1, 2, 3, 4]),
            "original_prediction": np.array([1, 7, 3, 4]),
            "prediction": np.array([5, 7, 3, 6]),
            "target": np.array([5, 0, 8, 6]),
            "success": np.array([1, 1, 0, 1]),
            "index": np.arange(4),
            "c": np.ones(4, np.float32),
            "distortion": change,
            "l2": 4 * change,
            "linf": change,
            "image_uint8": np.zeros((4, 4, 4, 1), np.uint8),
            "prediction_uint8": np.array([1, 7, 3, 4]),
            "success_uint8": np.array([0, 1, 0, 0]),
            "distortion_uint8": np.full(4, 0.5, np.float32),
            "evaluations": np.array([40, 0, 90, 41]),
            "status": np.array(["converged"] * 4, dtype=object),
        },
    )
    writer.finish(build_manifest("adversarial_set", flags={}, seed=0, inputs={}, seconds=1.0))
    return directory


def test_sets_are_read_from_disk(real_set: Path) -> None:
    (real_set / "results.json").write_text(
        '{"networks": [{"name": "fc10-1", "attacks": {"random": {"count": 4}}}]}'
    )
    pictures = pictures_of(real_set)
    assert pictures.notes == ()
    (picture,) = pictures.examples
    assert (
        "Mean distortion 0.133 over all 3 adversarial images, 0.133 over those shown"
        in picture.caption
    )
    assert "from −0.3 (blue) to +0.3 (red)" in picture.caption
    assert len(pictures.distributions) == 1


def test_classes_are_named_as_people_say_them(real_set: Path) -> None:
    directory = real_set / "adversarial_sets/random/fc10-1"
    found = read_shown(directory, 4, 0)
    assert found.class_names == tuple(map(str, range(10)))
    named = dataclasses.replace(
        found, class_names=("a",) * 4 + ("great white shark", "b", "c" * 30) + ("d",) * 3
    )
    captions: list[str] = []

    def note(*arguments: Any, **options: Any) -> figures.Figure:
        captions.extend(arguments[2])
        return drawn(*arguments, **options)

    drawn = figures.examples_figure
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "examples_figure", note)
        magnified = figures.Magnified(20, absolute=True)
        picture = examples_picture("x.png", "fc10-1", named, magnified)
    assert captions == [
        "a → b\n0.100",
        "d\nmisclassified",
        "a\nnone found",
        f"great white shark\n→ {21 * 'c'}…\n0.300",
    ]
    assert picture.caption.endswith(
        "The absolute difference is shown 20 times as large, and clamped; the largest change of a "
        "pixel is 76.5 of 255 grey levels."
    )


def test_the_data_uri_says_what_it_is() -> None:
    assert Picture("a.png", b"x", "", "").data_uri.startswith("data:image/png;base64,")
    assert Picture("a.jpg", b"x", "", "").data_uri.startswith("data:image/jpeg;base64,")
