"""scripts/import_model.py: what it prints and leaves, and how it refuses."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.scripts.conftest import RunScript
from tfblindspots.models import get_definition, load_classifier, predict_classes


@pytest.fixture
def weights(in_directory: Path) -> Path:
    model = get_definition("squeezenet").build((40, 40, 3), 3, 1)
    arrays = {f"{x.name}/{w.name}": w.numpy() for x in model.layers for w in x.weights}
    np.savez(in_directory / "weights.npz", **arrays)
    return in_directory / "weights.npz"


@pytest.fixture
def photos(in_directory: Path) -> Path:
    """A folder of larger images of three classes, which the script scales."""
    generator = np.random.default_rng(0)
    for number in range(9):
        path = in_directory / "photos" / f"class{number % 3}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (60, 80, 3), np.uint8)).save(path)
    return in_directory / "photos"


def test_it_imports_and_measures(
    run_script: RunScript, in_directory: Path, weights: Path, photos: Path
) -> None:
    given = {
        "model": "squeezenet",
        "weights": weights,
        "image_size": 40,
        "num_classes": 3,
        "output_dir": "model",
    }
    first = run_script("import_model", **given, dataset=photos)
    assert first.err == ""
    assert first.status == 0
    title, top1, top5, path = first.out.replace("\xa0", " ").splitlines()
    assert title == "SqueezeNet v1.0: images 40x40x3, 3 classes"
    assert re.fullmatch(r"top-1 error [\d.]+ % \[[\d.]+, [\d.]+\], \d of 9 images", top1)
    assert re.fullmatch(r"top-5 error 0 % \[0, [\d.]+\], 0 of 9 images", top5)
    assert path == "SavedModel: model"
    classifier = load_classifier("model")
    expected = get_definition("squeezenet").build((40, 40, 3), 3, 1)
    images = np.random.default_rng(0).random((5, 40, 40, 3), np.float32)
    logits = expected(images).numpy()
    np.testing.assert_array_equal(predict_classes(classifier, images), logits.argmax(axis=1))
    assert run_script("import_model", **given, dataset=photos) == first


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"weights": "none.npz"}, "weights none.npz do not exist; expected a .npz or .h5 file."),
        ({"model": "squeeze"}, "model 'squeeze' is unknown; expected fc10-1e-4, "),
        (
            {"num_classes": 4},
            "weights weights.npz do not fit layer conv10 of model squeezenet: kernel "
            "[1, 1, 512, 4] expected, conv10/kernel [1, 1, 512, 3] given; check --model, ",
        ),
        ({"image_size": "big"}, "--image_size is big; expected one number of pixels"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    run_script: RunScript,
    in_directory: Path,
    weights: Path,
    flags: dict[str, object],
    message: str,
) -> None:
    given = {
        "model": "squeezenet",
        "weights": weights.name,
        "image_size": 40,
        "num_classes": 3,
        "output_dir": "out",
    }
    outcome = run_script("import_model", **given | flags)
    assert outcome.status == 1
    assert outcome.out == ""
    assert outcome.err.startswith(f"error: {message}")
    assert outcome.err.count("\n") == 1
    assert [entry.name for entry in in_directory.iterdir()] == ["weights.npz"]
