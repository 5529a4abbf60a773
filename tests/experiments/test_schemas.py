"""Experiments take sets of every schema."""

from pathlib import Path

import pytest

from tests.adversarial_sets.tampering import EXAMPLE_SET, MODEL, SCHEMA_1
from tfblindspots.adversarial_sets import read_adversarial_set
from tfblindspots.experiments import (
    PicturesConfig,
    evaluate_models,
    measure_frame_bounds,
    measure_robust_accuracy,
    plot_examples,
)
from tfblindspots.models import load_classifier


@pytest.mark.parametrize("directory", [SCHEMA_1, EXAMPLE_SET])
def test_what_is_read_of_sets_is_in_both(directory: Path, tmp_path: Path) -> None:
    examples = read_adversarial_set(directory).examples
    found = int(((examples["success"] == 1) & (examples["distortion"] > 0)).sum())
    table = evaluate_models(
        [load_classifier(MODEL)], [directory], tmp_path / "evaluation", amplify_to=0.2
    )
    assert table["rows"][0]["cells"][0]["rate"] == 1
    curves = measure_robust_accuracy([directory], tmp_path / "accuracy")["curves"]
    assert curves[0]["count"] == len(examples["index"])
    bounds = measure_frame_bounds(MODEL, tmp_path / "bounds", adversarial_sets=[directory])
    assert bounds["sets"][directory.name]["count"] == found
    pictures = plot_examples([directory], PicturesConfig(num_examples=2), tmp_path / "pictures")
    assert len(pictures["pictures"][0]["indices"]) == 2
