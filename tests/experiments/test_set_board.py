"""What TensorBoard gets of an adversarial set is what the set holds."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import werkzeug.test
from tensorboard import program
from tensorboard.backend.application import TensorBoardWSGIApp
from tensorboard.backend.event_processing.data_ingester import LocalDataIngester
from tensorboard.plugins.core.core_plugin import CorePluginLoader
from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin
from tensorboard.plugins.text.text_plugin import TextPlugin

from tests.experiments.summaries import picture, read_summaries
from tfblindspots.adversarial_sets import read_adversarial_set
from tfblindspots.attacks import AttackConfig
from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.experiments import SetBoard, make_adversarial_set, set_board
from tfblindspots.experiments.attack import QUALITY_CARD
from tfblindspots.models import Classifier, ModelInterface, load_classifier, predict_logits


@pytest.fixture(scope="module")
def adversarial_set(
    tmp_path_factory: pytest.TempPathFactory,
    classifier: Classifier,
    test_set: ImageDataset,
    config: AttackConfig,
) -> Path:
    directory = tmp_path_factory.mktemp("sets") / "linear"
    make_adversarial_set(classifier, test_set, config, directory)
    return directory


@pytest.fixture(scope="module")
def board(
    tmp_path_factory: pytest.TempPathFactory,
    adversarial_set: Path,
    model_directory: Path,
    classifier: Classifier,
) -> Path:
    directory = tmp_path_factory.mktemp("boards") / "linear"
    SetBoard(directory, model_directory, classifier).show(adversarial_set)
    return directory


def _table(board: Path) -> list[dict[str, str]]:
    head, *rows = [line.split("\t") for line in (board / "metadata.tsv").read_text().splitlines()]
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_summaries(board: Path, adversarial_set: Path) -> None:
    found = read_summaries(board)
    examples = read_adversarial_set(adversarial_set).examples
    attacked = examples["label"] == examples["original_prediction"]
    for tag, values in (
        ("distortion", examples["distortion"][attacked & (examples["success"] == 1)]),
        ("evaluations", examples["evaluations"][attacked]),
    ):
        ((step, buckets),) = found[tag]
        low, high, counts = buckets.T
        assert step == 0
        assert counts.sum() == len(values)
        expected, _ = np.histogram(values.astype(np.float64), [*low, high[-1]])
        # A value at an edge may count on either side of it.
        assert np.abs(np.cumsum(counts - expected)).max() <= 1
        assert (low[0], high[-1]) == pytest.approx((values.min(), values.max()))
    assert picture(found["examples"][0][1]).shape[2] == 3
    text = found["quality card"][0][1].item().decode()
    assert text == (adversarial_set / QUALITY_CARD).read_text(encoding="utf-8")


def test_points_are_the_originals_and_then_their_adversarial_images(
    board: Path, adversarial_set: Path, classifier: Classifier
) -> None:
    examples = read_adversarial_set(adversarial_set).examples
    count = len(examples["index"])
    images = np.concatenate([examples["original"], examples["image"]])
    # A softmax regression has no weights before the last layer: its logits.
    vectors = np.loadtxt(board / "vectors.tsv", np.float32, delimiter="\t")
    np.testing.assert_array_equal(vectors, predict_logits(classifier, images))
    sprite = tf.io.decode_png((board / "sprite.png").read_bytes()).numpy()
    across = int(np.ceil(np.sqrt(2 * count)))
    for k, (image, row) in enumerate(zip(images, _table(board), strict=True)):
        top, left = k // across * 8, k % across * 8
        np.testing.assert_array_equal(
            sprite[top : top + 8, left : left + 8], np.rint(255 * image).astype(np.uint8)
        )
        i = k % count
        before = k < count
        assert row == {
            "kind": "original" if before else "adversarial",
            "index": str(examples["index"][i]),
            "label": str(examples["label"][i]),
            "prediction": str(examples["original_prediction" if before else "prediction"][i]),
            "target": str(examples["target"][i]),
            "success": str(examples["success"][i]),
            "distortion": "0" if before else f"{examples['distortion'][i]:.6g}",
        }


def test_tensorboard_itself_serves_it(board: Path) -> None:
    server = program.TensorBoard(plugins=[CorePluginLoader(), ProjectorPlugin, TextPlugin])
    server.configure(
        logdir=str(board.parent), load_fast="false", reload_interval=0, reload_task="blocking"
    )
    ingester = LocalDataIngester(server.flags)
    ingester.start()
    app = TensorBoardWSGIApp(server.flags, server.plugin_loaders, ingester.data_provider)
    client = werkzeug.test.Client(app)

    def get(path: str, **query: str) -> Any:
        response = client.get(f"/data/plugin/{path}", query_string=query)
        assert response.status_code == 200
        return response.data

    assert json.loads(get("projector/runs")) == ["linear"]
    (embedding,) = json.loads(get("projector/info", run="linear"))["embeddings"]
    assert embedding["tensorName"] == "linear logits"
    assert embedding["tensorShape"] == [60, 10]
    names = {"run": "linear", "name": embedding["tensorName"]}
    vectors = np.frombuffer(get("projector/tensor", **names), np.float32).reshape(60, 10)
    expected = np.loadtxt(board / "vectors.tsv", np.float32, delimiter="\t")
    np.testing.assert_array_equal(vectors, expected)
    assert get("projector/metadata", **names) == (board / "metadata.tsv").read_bytes()
    assert get("projector/sprite_image", **names) == (board / "sprite.png").read_bytes()
    (card,) = json.loads(get("text/text", run="linear", tag="quality card"))
    assert "<h1>Quality card: linear on digits test[:30], target random</h1>" in card["text"]


def test_a_network_shows_the_layer_before_the_last(
    tmp_path: Path, adversarial_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = keras.Input((8, 8, 1))
    features = keras.layers.Conv2D(3, 3, activation="relu", name="features")(images)
    pooled = keras.layers.GlobalAveragePooling2D(name="pooled")(features)
    model = keras.Model(images, keras.layers.Dense(10)(pooled))
    model.save(tmp_path / "net.keras")
    classifier = load_classifier(tmp_path / "net.keras")
    # As if no more would fit.
    monkeypatch.setattr(set_board, "most_points", lambda shape, size: 20 + size)
    found = []
    for layer in (None, "features"):
        board = tmp_path / str(layer)
        SetBoard(board, tmp_path / "net.keras", classifier, layer=layer, seed=3).show(
            adversarial_set
        )
        assert (
            f'tensor_name: "linear {layer or "pooled"}"'
            in (board / "projector_config.pbtxt").read_text()
        )
        found.append(np.loadtxt(board / "vectors.tsv", np.float32, delimiter="\t"))
    # Of positions the mean, which is what the layer above takes.
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)
    table = _table(tmp_path / "None")
    chosen = [int(row["index"]) for row in table]
    assert chosen == sorted(set(chosen[:11])) * 2
    examples = read_adversarial_set(adversarial_set).examples
    expected = keras.Model(images, pooled)(examples["image"][chosen[:11]]).numpy()
    np.testing.assert_allclose(found[0][11:], expected, rtol=1e-5)


def test_names_of_users_are_harmless(
    tmp_path: Path, model_directory: Path, test_set: ImageDataset, config: AttackConfig
) -> None:
    names = ("<script>", *"123456789")
    mean = dataclasses.replace(load_classifier(model_directory), name="<img src=x>")
    dataset = dataclasses.replace(test_set, class_names=names)
    make_adversarial_set(mean, dataset, config, tmp_path / "[set](x)", num_examples=10)
    SetBoard(tmp_path / "board", model_directory, mean).show(tmp_path / "[set](x)")
    assert {row["label"] for row in _table(tmp_path / "board")} <= {"<script>", *"123456789"}
    text = read_summaries(tmp_path / "board")["quality card"][0][1].item().decode()
    assert text.startswith("# Quality card: &lt;img src=x&gt; on digits")


def test_what_is_refused(
    tmp_path: Path,
    board: Path,
    adversarial_set: Path,
    model_directory: Path,
    classifier: Classifier,
) -> None:
    given = (model_directory, classifier)
    with pytest.raises(InputError, match=r"has no layer 'logit' \(did you mean logits\?\)"):
        SetBoard(tmp_path / "board", *given, layer="logit")
    with pytest.raises(InputError, match=r"^tensorboard_dir .* holds other files \(linear\); name"):
        SetBoard(board.parent, *given)
    with pytest.raises(InputError, match="holds a result of kind adversarial_set; expected tensor"):
        SetBoard(adversarial_set, *given)
    with pytest.raises(InputError, match=r"other settings \(--seed=0 there, 1 here\)"):
        SetBoard(board, *given, seed=1).show(adversarial_set)
    with pytest.raises(InputError, match="does not exist; expected a finished adversarial_set"):
        SetBoard(tmp_path / "board", *given).show(tmp_path / "absent")
    assert not (tmp_path / "board").exists()
    SetBoard(board, *given, interface=ModelInterface()).show(adversarial_set)  # already there
