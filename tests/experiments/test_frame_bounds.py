"""Frame bounds of networks on disk, beside what adversarial sets show of them."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

from tfblindspots.adversarial_sets import read_adversarial_set, write_adversarial_set
from tfblindspots.artifacts import read_json
from tfblindspots.attacks import AttackConfig
from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.experiments import (
    build_network,
    frame_bounds_table,
    make_adversarial_set,
    measure_frame_bounds,
)
from tfblindspots.models import Classifier, ModelInterface, load_keras_model


@pytest.fixture(scope="module")
def adversarial_set(
    tmp_path_factory: pytest.TempPathFactory, classifier: Classifier, test_set: ImageDataset
) -> Path:
    path = tmp_path_factory.mktemp("sets") / "nearest"
    config = AttackConfig(target="untargeted", batch_size=10, xla=False)
    make_adversarial_set(classifier, test_set, config, path)
    return path


def test_a_linear_network_is_bounded_by_its_matrix(
    model_directory: Path, adversarial_set: Path, tmp_path: Path
) -> None:
    results = measure_frame_bounds(
        model_directory, tmp_path / "out", adversarial_sets=[adversarial_set]
    )
    kernel = load_keras_model(model_directory).get_layer("logits").kernel.numpy()
    norm = np.linalg.norm(kernel, 2)
    assert results["bound"] == pytest.approx(norm, rel=1e-6)
    assert results["unknown"] == []
    assert results["parameters"] == 650
    flatten, logits = results["layers"]
    assert (flatten["constant"], flatten["upper"], flatten["kernel"]) == (1, None, None)
    assert logits["upper"] == pytest.approx(norm, rel=1e-6)
    assert (logits["lower"], logits["kernel"], logits["padded_norm"]) == (0, [64, 10], None)
    found = results["sets"]["nearest"]
    examples = read_adversarial_set(adversarial_set).examples
    moved = examples["distortion"] > 0
    assert found["count"] == (moved & (examples["success"] == 1)).sum()
    change = (examples["image"] - examples["original"])[moved].reshape(-1, 64).astype(np.float64)
    ratios = np.linalg.norm(change @ kernel, axis=1) / np.linalg.norm(change, axis=1)
    assert found["layers"]["logits"]["largest"] == pytest.approx(ratios.max(), rel=1e-4)
    assert found["layers"]["logits"]["network_mean"] == pytest.approx(ratios.mean(), rel=1e-4)
    # Nothing that was found is nearer than what is proved.
    assert found["certificate"]["smallest_ratio"] >= 1
    assert measure_frame_bounds(
        model_directory, tmp_path / "out", adversarial_sets=[adversarial_set]
    ) == read_json(tmp_path / "out" / "results.json")


def test_a_network_with_an_unknown_layer_has_no_bound_and_says_which(tmp_path: Path) -> None:
    images = keras.Input((4, 4, 1))
    x = keras.layers.LayerNormalization(name="strange")(keras.layers.Flatten()(images))
    model = keras.Model(images, keras.layers.Dense(3, name="logits")(x), name="own")
    results = measure_frame_bounds(model, tmp_path / "out")
    assert (results["bound"], results["unknown"]) == (None, ["strange"])
    table = frame_bounds_table(results)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    assert [row[0] for row in rows] == ["layer", rows[1][0], "strange", "logits"]
    assert rows[2][-2:] == ["unknown", "1 (no bound)"]
    assert rows[3][-1].endswith("(no bound)")


def test_alexnet_stands_beside_the_papers_table(tmp_path: Path) -> None:
    layers = [
        {"name": name, "kernel": list(kernel), "kind": "Conv2D", "constant": 1.0}
        | dict.fromkeys(["lower", "upper", "padded_norm"])
        | {"network": 1.0, "unknown": []}
        for name, kernel in [
            ("preprocessing", (1, 1, 3, 3)),
            ("conv1", (11, 11, 3, 96)),
            ("conv2", (5, 5, 48, 256)),
            ("conv3", (3, 3, 256, 384)),
            ("conv4", (3, 3, 192, 384)),
            ("conv5", (3, 3, 192, 256)),
            ("fc6", (9216, 4096)),
            ("fc7", (4096, 4096)),
            ("logits", (4096, 1000)),
        ]
    ]
    table = frame_bounds_table({"layers": layers, "sets": {}})
    column = [line.split("|")[6].strip() for line in table.splitlines()]
    assert column[0] == "paper, upper"
    assert column[2:] == ["", "2.75", "10", "7", "7.5", "11", "3.12", "4", "4"]


def test_a_product_that_overflows_is_no_bound(tmp_path: Path) -> None:
    images = keras.Input((2, 2, 1))
    x = keras.layers.Flatten()(images)
    for _ in range(40):
        x = keras.layers.Dense(
            2, activation="tanh", kernel_initializer=keras.initializers.Constant(1e9)
        )(x)
    results = measure_frame_bounds(keras.Model(images, x, name="steep"), tmp_path / "out")
    assert (results["bound"], results["unknown"]) == (None, [])
    assert results["layers"][-1]["network"] is None


def test_a_set_of_other_classes_is_refused(
    model_directory: Path, adversarial_set: Path, tmp_path: Path
) -> None:
    images = keras.Input((8, 8, 1))
    model = keras.Model(images, keras.layers.Dense(3)(keras.layers.Flatten()(images)), name="three")
    with pytest.raises(InputError, match="model three has the classes 0 to 2"):
        measure_frame_bounds(model, tmp_path / "out", adversarial_sets=[adversarial_set])
    assert not (tmp_path / "out").exists()


def test_the_output_that_is_named_is_bounded(tmp_path: Path) -> None:
    images = keras.Input((2, 2, 1))
    first = keras.layers.Dense(
        2, kernel_initializer=keras.initializers.Constant(3.0), name="first"
    )(keras.layers.Flatten()(images))
    second = keras.layers.Rescaling(1e-3, name="second")(first)
    keras.Model(images, {"first": first, "second": second}).save(tmp_path / "two.keras")
    for output, expected in (("first", 3 * 8**0.5), ("second", 3e-3 * 8**0.5)):
        results = measure_frame_bounds(
            tmp_path / "two.keras",
            tmp_path / output,
            interface=ModelInterface(output=output),
        )
        assert results["bound"] == pytest.approx(expected, rel=1e-6)


def test_networks_without_an_image_shape_need_one() -> None:
    assert build_network("fc10-10", (8, 8, 1), 10, 0).input_shape == (None, 8, 8, 1)
    with pytest.raises(InputError, match="model conv takes images of many sizes; say which with"):
        build_network("conv", None, 10, 0)


def test_a_set_without_adversarial_images_is_refused(
    model_directory: Path, adversarial_set: Path, tmp_path: Path
) -> None:
    examples = read_adversarial_set(adversarial_set).examples
    none = {name: values[:5] for name, values in examples.items()}
    none |= {"image": none["original"], "distortion": np.zeros(5, np.float32)}
    write_adversarial_set(tmp_path / "none", none, model="mine", class_names=list("0123456789"))
    message = "set none has no example that was found; expected at least one."
    with pytest.raises(InputError, match=re.escape(message)):
        measure_frame_bounds(
            model_directory, tmp_path / "out", adversarial_sets=[tmp_path / "none"]
        )
    assert not (tmp_path / "out").exists()
