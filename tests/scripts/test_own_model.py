"""A network and photos that this project did not make, through scripts/attack.py."""

import re
from pathlib import Path

import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow_datasets as tfds

from tests.scripts.conftest import RunScript
from tfblindspots.artifacts import read_manifest

_CLASSES = ("ant", "bee", "cat", "dog", "elk")


@pytest.fixture
def place(in_directory: Path) -> Path:
    """A directory with a network of ``keras.applications`` and photos of several sizes."""
    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNet((32, 32, 3), alpha=0.25, weights=None, classes=5)
    # Without the statistics of some images, random weights give the same for all of them.
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    network(np.random.default_rng(1).uniform(-1, 1, (8, 32, 32, 3)), training=True)
    network.save("network.keras")
    generator = np.random.default_rng(0)
    for number, name in enumerate(_CLASSES):
        folder = in_directory / "photos" / name
        folder.mkdir(parents=True)
        size = (40 + 5 * number, 60 - 4 * number, 3)
        pixels = np.kron(generator.integers(0, 256, (5, 4, 3)), np.ones((9, 15, 1)))
        photo = PIL.Image.fromarray(pixels.astype(np.uint8)).resize(size[1::-1])
        (photo.convert("L") if name == "cat" else photo).save(folder / "1.jpg")
    (in_directory / "photos/bee/broken.jpg").write_bytes(b"\xff\xd8 no photo")
    return in_directory


def test_attacks_a_network_of_keras_applications(
    run_script: RunScript, place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = {"saved_model": "network.keras", "dataset": "photos", "output_dir": "set", "xla": "off"}
    outcome = run_script("attack", **given)
    assert outcome.status == 1
    assert outcome.err == (
        "error: dataset photos has images of different sizes ((40, 60, 3) and (45, 56, 3)); "
        "expected one size. Give --image_size (in Python image_size), such as 224, to scale and "
        "crop them.\n"
    )
    given |= {"image_size": 32, "pixel_range": "-1,1", "target": "untargeted", "batch_size": 8}
    outcome = run_script("attack", **given)
    assert (outcome.status, outcome.err) == (0, "")
    assert re.match(
        r"network on photos test, target untargeted: 100\s% success on \d co", outcome.out
    )
    assert (
        "Skipped 1 of 6 photos of photos, which cannot be decoded: bee/broken.jpg."
        in caplog.messages
    )
    manifest = read_manifest("set", "adversarial_set")
    assert manifest["inputs"]["dataset"]["skipped"] == 1
    assert manifest["inputs"]["dataset"]["first_skipped"] == ["bee/broken.jpg"]
    assert manifest["model"]["settings"] == {"pixel_range": [-1.0, 1.0]}
    examples = list(tfds.builder_from_directory("set").as_dataset(split="test").as_numpy_iterator())
    assert [int(example["index"]) for example in examples] == [0, 1, 3, 4, 5]
    assert [int(example["label"]) for example in examples] == [0, 1, 2, 3, 4]
    network = keras.models.load_model("network.keras")
    grey = examples[2]["original"]
    np.testing.assert_array_equal(grey[..., 0], grey[..., 2])
    for name, field in (("original", "original_prediction"), ("image", "prediction")):
        images = np.stack([example[name] for example in examples])
        classes = network(2 * images - 1, training=False).numpy().argmax(axis=1)
        assert classes.tolist() == [int(example[field]) for example in examples]
    assert all(example["success"] == 1 for example in examples)

    other = run_script("attack", **given | {"pixel_range": "0,255"})
    assert other.status == 1
    assert "another model (network there, network here)" in other.err
