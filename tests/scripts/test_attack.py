"""scripts/attack.py: what it prints and leaves, and how it refuses."""

import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow_datasets as tfds
from absl import flags

from tests.scripts.conftest import RunScript
from tfblindspots.artifacts import read_manifest
from tfblindspots.attacks import SOLVERS, AttackConfig
from tfblindspots.solvers import DISTANCES

SMALL = {"dataset": "digits", "split": "test[:20]", "batch_size": 10, "xla": "off"}


def test_it_attacks_and_writes_a_set(
    run_script: RunScript, workplace: Path, tmp_path: Path
) -> None:
    given = {**SMALL, "saved_model": workplace / "model", "output_dir": tmp_path / "set"}
    first = run_script("attack", **given, shard_size=8)
    assert first.status == 0
    assert first.err == ""
    lines = first.out.replace("\xa0", " ").splitlines()
    success, distortion, quantiles, eight_bit, cost, ended, checked, warnings, path = lines
    assert re.fullmatch(
        r"model on digits test\[:20\], target random: 100 % success on \d+ correctly classified "
        r"of 20 images",
        success,
    )
    assert re.fullmatch(
        r"distortion: mean 0\.\d+ over all; of the correctly classified mean 0\.\d+, median 0\.\d+",
        distortion,
    )
    assert re.fullmatch(
        r"quantiles of the correctly classified: 5 % 0\.\d+, 25 % .*, 95 % 0\.\d+", quantiles
    )
    assert re.fullmatch(
        r"in 8 bits: 100 % of the successes stay one, mean distortion 0\.\d+, in the mean "
        r"1\.00\d times the float's",
        eight_bit,
    )
    assert re.fullmatch(
        r"[\d.]+ evaluations an image, [\d.]+ s, compiling included: [\d.,]+ images/s", cost
    )
    assert ended.startswith("ended: converged ")
    assert re.fullmatch(r"checked: the model, which gives logits, on \d+ images", checked)
    assert warnings == "no warnings"
    assert path == f"adversarial set: {tmp_path / 'set'}"
    builder = tfds.builder_from_directory(tmp_path / "set")
    assert builder.info.splits["test"].shard_lengths == [8, 8, 4]

    assert run_script("attack", **given, shard_size=8) == first
    # The finished set is shown to TensorBoard, and a layer that there is not is told.
    board = tmp_path / "board"
    shown = run_script("attack", **given, shard_size=8, tensorboard_dir=board)
    assert shown.out == f"{first.out}TensorBoard: tensorboard --logdir={board}\n"
    assert (board / "projector_config.pbtxt").is_file()
    wrong = {"tensorboard_dir": tmp_path / "other", "projector_layer": "hidden"}
    refused = run_script("attack", **given, shard_size=8, **wrong)
    assert (refused.status, refused.out) == (1, "")
    assert "model has no layer 'hidden'; expected one of" in refused.err
    assert not (tmp_path / "other").exists()
    other = run_script("attack", **given, shard_size=8, norm="l2")
    assert other.status == 1
    assert "(--norm=squared_l2 there, l2 here); repeat those or name a new" in other.err


def test_it_attacks_for_8_bits(run_script: RunScript, workplace: Path, tmp_path: Path) -> None:
    made = run_script(
        "attack", **SMALL, saved_model=workplace / "model", output_dir=tmp_path / "set", bits=8
    )
    assert made.status == 0
    assert ", for images of 8 bits: 100" in made.out
    assert "times the float's" not in made.out
    assert read_manifest(tmp_path / "set", "adversarial_set")["attack"]["bits"] == 8
    for example in tfds.builder_from_directory(tmp_path / "set").as_dataset(split="test"):
        np.testing.assert_array_equal(
            example["image"], example["image_uint8"].numpy().astype(np.float32) / np.float32(255)
        )
        assert int(example["success"]) == 1


def test_the_flags_offer_what_the_attack_knows(run_script: RunScript, in_directory: Path) -> None:
    run_script("attack", saved_model="absent", dataset="digits", output_dir="out")
    assert flags.FLAGS["norm"].parser.enum_values == list(DISTANCES)
    assert flags.FLAGS["solver"].parser.enum_values == list(SOLVERS)
    defaults = AttackConfig()
    for name in ("target", "norm", "solver", "batch_size", "max_evaluations", "seed"):
        assert flags.FLAGS[name].default == getattr(defaults, name)


@pytest.fixture
def cases(workplace: Path, in_directory: Path) -> Path:
    """A working directory with models, good and bad."""
    shutil.copytree(workplace / "model", "model")
    Path("empty").mkdir()
    Path("notes.txt").write_text("no model")

    def save(name: str, shape: tuple[int, ...], activation: str | None, classes: int = 10) -> None:
        images = keras.Input(shape)
        flat = keras.layers.Flatten()(images)
        layer = keras.layers.Dense(classes, activation, kernel_initializer="zeros")
        keras.Model(images, layer(flat)).save(f"{name}.keras")

    save("softmax", (8, 8, 1), "softmax")
    save("large", (28, 28, 1), None)
    save("three", (8, 8, 1), None, classes=3)
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
    )
    model.layers[-1].set_weights([np.full((64, 10), np.nan), np.zeros(10)])
    model.save("nan.keras")
    pair = [keras.Input((8, 8, 1), name=name) for name in ("left", "right")]
    both = keras.layers.Flatten()(keras.layers.Add()(pair))
    keras.Model(pair, keras.layers.Dense(10)(both)).save("pair.keras")
    return in_directory


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"projector_layer": "hidden_1"},
            "--projector_layer is given without --tensorboard_dir, which shows the layer; give it.",
        ),
        (
            {"saved_model": "absent"},
            "model absent does not exist; expected a SavedModel directory, a .keras or a .h5 file.",
        ),
        (
            {"saved_model": "empty"},
            "model empty is not a SavedModel (it has no saved_model.pb); name one, or a .keras",
        ),
        (
            {"saved_model": "notes.txt"},
            "model notes.txt is a file of another kind; expected a SavedModel directory, a",
        ),
        (
            {"saved_model": "large.keras"},
            "images have shape [20, 8, 8, 1]; model large expects float32 [N, 28, 28, 1], N at",
        ),
        (
            {"saved_model": "three.keras"},
            "labels range from 1 to 9; model three has the classes 0 to 2. Use data with",
        ),
        (
            {"saved_model": "pair.keras"},
            "model pair.keras has 2 inputs (left, right); expected one, a batch of images. Save it",
        ),
        (
            {"saved_model": "softmax.keras", "mean": "0.5,0.5"},
            "mean has 2 values, and model softmax takes images of 1 channels; expected one number,",
        ),
        ({"mean": "half"}, "--mean holds 'half'; expected numbers, such as 0.1,0.3."),
        ({"pixel_range": "255"}, "--pixel_range has 1 numbers; expected two, such as 0,255."),
        (
            {"image_size": "big"},
            "--image_size is big; expected one number of pixels, such as 227, or height and width",
        ),
        (
            {"image_size": "10"},
            "model model takes images of 8 x 8 pixels, and image_size is 10 x 10; expected the",
        ),
        ({"saved_model": "nan.keras"}, "model nan returns NaN; expected finite logits."),
        (
            {"split": "test[:0]"},
            "split 'test[:0]' of digits selects no images; expected one of train (1437), test",
        ),
        (
            {"target": "10"},
            "target is class 10; the model has the classes 0 to 9.",
        ),
        (
            {"target": "nearest"},
            "target 'nearest' is unknown; expected random, untargeted, most_likely, least_likely, "
            "all, a class number, or the name of one of the 10 classes of digits, such as '0'.",
        ),
        (
            {"split": "test+train"},
            "split 'test+train' of digits mixes several splits; expected parts of one, such as",
        ),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    run_script: RunScript, cases: Path, changed: dict[str, object], message: str
) -> None:
    before = sorted(cases.rglob("*"))
    given = {**SMALL, "saved_model": "model", "output_dir": "out", **changed}
    outcome = run_script("attack", **given)
    assert outcome.status == 1
    assert outcome.out == ""
    assert outcome.err.startswith(f"error: {message}")
    assert outcome.err.count("\n") == 1
    assert sorted(cases.rglob("*")) == before


def test_an_output_directory_with_other_files_is_left_alone(
    run_script: RunScript, cases: Path
) -> None:
    given = {**SMALL, "saved_model": "model", "output_dir": "model"}
    outcome = run_script("attack", **given)
    assert outcome.status == 1
    assert outcome.err == (
        "error: output_dir model holds other files (assets, assets.extra, fingerprint.pb, "
        "…); name a new or empty directory.\n"
    )


def test_the_target_class_itself_is_left_out(
    run_script: RunScript, cases: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="absl"):
        outcome = run_script("attack", **SMALL, saved_model="model", output_dir="out", target=3)
    assert outcome.status == 0
    (message,) = [text for text in caplog.messages if text.startswith("Left out")]
    assert re.fullmatch(
        r"Left out \d+ of 20 images whose true or predicted class is the target 3\.", message
    )
    left_out = int(message.split()[2])
    assert read_manifest("out", "adversarial_set")["num_examples"] == 20 - left_out


def test_probabilities_are_recognised(
    run_script: RunScript, cases: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="absl"):
        outcome = run_script("attack", **SMALL, saved_model="softmax.keras", output_dir="out")
    assert (
        "Model softmax returns probabilities; their logarithms serve as logits." in caplog.messages
    )
    # All its weights are 0, so that it sees class 0 everywhere, which none of the images is.
    assert "\nchecked: the model, which gives probabilities, on 0 images\n" in outcome.out
    warning = "\nwarning: 20 of 20 images are misclassified to begin with and count"
    assert warning in outcome.out
    assert "(--pixel_range, in Python pixel_range)" in outcome.out
    assert "in 8 bits:" not in outcome.out
