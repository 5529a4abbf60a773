"""Pictures of sets on disk: which examples, in what file, made once."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfblindspots.adversarial_sets import read_adversarial_set, write_adversarial_set
from tfblindspots.attacks import AttackConfig, find_adversarial_examples
from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.experiments import PicturesConfig, make_adversarial_set, plot_examples
from tfblindspots.models import Classifier
from tfblindspots.reports.figures import DPI

CONFIG = PicturesConfig(num_examples=3)


@pytest.fixture(scope="module")
def sets(
    tmp_path_factory: pytest.TempPathFactory,
    classifier: Classifier,
    test_set: ImageDataset,
    config: AttackConfig,
) -> list[Path]:
    """A grey set, and the same in colour."""
    root = tmp_path_factory.mktemp("sets")
    make_adversarial_set(classifier, test_set, config, root / "grey", num_examples=8)
    examples = find_adversarial_examples(
        classifier, test_set.images[:8], test_set.labels[:8], config
    )
    colours = (0.3, 0.6, 0.9) * np.ones(3, np.float32)
    colourful = examples._replace(
        image=(examples.image * colours).astype(np.float32),
        original=(examples.original * colours).astype(np.float32),
        image_uint8=np.repeat(examples.image_uint8, 3, axis=-1),
    )
    write_adversarial_set(
        root / "colour", colourful, model="linear", class_names=test_set.class_names
    )
    return [root / "grey", root / "colour"]


def test_each_set_has_a_picture(sets: list[Path], tmp_path: Path) -> None:
    results = plot_examples(sets, CONFIG, tmp_path / "pictures")
    grey, colour = results["pictures"]
    assert (grey["file"], colour["file"]) == ("grey.png", "colour.jpg")
    for picture, path in ((grey, sets[0]), (colour, sets[1])):
        indices = read_adversarial_set(path).examples["index"]
        assert len(picture["indices"]) == 3
        assert set(picture["indices"]) <= set(indices.tolist())
        data = (tmp_path / "pictures" / picture["file"]).read_bytes()
        image = Image.open(io.BytesIO(data))
        assert image.format == ("PNG" if path.name == "grey" else "JPEG")
        assert image.width == pytest.approx((1.06 + 3 * 1.06) * DPI, abs=1)
        assert "10 times as large, shifted by 128, and clamped" in picture["caption"]


def test_they_are_drawn_once(
    sets: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = plot_examples(sets[:1], CONFIG, tmp_path)
    monkeypatch.setattr("tfblindspots.experiments.example_pictures.read_shown", pytest.fail)
    assert plot_examples(sets[:1], CONFIG, tmp_path) == first
    with pytest.raises(InputError, match=r"\(--magnification=10\.0 there, 20\.0 here\); repeat"):
        plot_examples(sets[:1], PicturesConfig(num_examples=3, magnification=20.0), tmp_path)


def test_bad_input_leaves_nothing(sets: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^0 examples magnified 10 times were asked for"):
        plot_examples(sets, PicturesConfig(num_examples=0), tmp_path / "out")
    with pytest.raises(InputError, match=r"^6 examples magnified inf times were asked for"):
        plot_examples(sets, PicturesConfig(magnification=float("inf")), tmp_path / "out")
    with pytest.raises(InputError, match="absent does not exist; expected a finished adversarial"):
        plot_examples([tmp_path / "absent"], CONFIG, tmp_path / "out")
    assert not any(tmp_path.iterdir())
