"""Sets that are what they claim to be, and such that are not, each in one respect."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.adversarial_sets.tampering import (
    EXAMPLE_SET,
    MODEL,
    SCHEMA_1,
    Examples,
    copy_of,
    flip_bit,
    forge_examples,
    forge_manifest,
    shards,
    vouch,
)
from tfblindspots.adversarial_sets import (
    NPZ,
    export_npz,
    read_adversarial_set,
    write_adversarial_set,
)
from tfblindspots.artifacts import MANIFEST, read_json
from tfblindspots.data import ImageDataset, load_dataset
from tfblindspots.errors import InputError
from tfblindspots.experiments import Check, Verification, verify_adversarial_set
from tfblindspots.models import Classifier, ModelInterface, load_classifier

CHECKS = ["files", "dataset", "model", "settings", "values", "originals", "predictions"]
CHECKS += ["success", "distortions", "minimality", "summary"]


@functools.cache
def _classifier() -> Classifier:
    return load_classifier(MODEL)


def _verify(directory: Path, **replaced: Any) -> Verification:
    arguments: dict[str, Any] = {
        "load_model": lambda interface: _classifier(),
        "load_dataset": lambda name, split: load_dataset(name, split),
    }
    return verify_adversarial_set(directory, **(arguments | replaced))


def _by_name(found: Verification) -> dict[str, Check]:
    return {check.name: check for check in found.checks}


@pytest.fixture
def a_set(tmp_path: Path) -> Path:
    return copy_of(EXAMPLE_SET, tmp_path / "set")


@pytest.mark.parametrize("directory", [EXAMPLE_SET, SCHEMA_1])
def test_every_claim_of_the_shipped_sets_holds(directory: Path) -> None:
    found = _verify(directory)
    assert found.named("holds") == CHECKS
    assert found.holds
    assert all(check.problems == () for check in found.checks)
    assert found.num_examples == read_json(directory / MANIFEST)["num_examples"]
    assert found.verdict("it").startswith(f"verified: it ({found.num_examples} examples in ")


def _image_outside(examples: Examples) -> None:
    examples["image"][103, 0, 0] = 1.5


def _image_farther(examples: Examples) -> None:
    # All that is said of it is true, but that it is the nearest.
    original = examples["original"][103]
    moved = np.clip(original + 1.1 * (examples["image"][103] - original), 0, 1, dtype=np.float32)
    change = moved.astype(np.float64) - original
    examples["image"][103] = moved
    examples["l2"][103] = np.linalg.norm(change)
    examples["linf"][103] = np.abs(change).max()
    examples["distortion"][103] = np.sqrt(np.mean(change**2))


def _set(field: str, value: float) -> Callable[[Examples], None]:
    def change(examples: Examples) -> None:
        examples[field][103] = value

    return change


@pytest.mark.parametrize(
    ("change", "name", "text"),
    [
        (_image_outside, "values", "to 1.5; expected values in [0, 1]"),
        (_set("linf", np.nan), "values", "linf is nan; expected values finite and at least 0"),
        (_set("index", 0), "values", "index 0 is that of an earlier example"),
        (_set("original", 0), "originals", "original differs from the dataset's image by up to"),
        (_set("label", 10), "values", "label is 10; expected values in [0, 9]"),
        (_set("index", 9999), "originals", "the dataset has no image of this index"),
        (_set("image", 0.5), "predictions", "prediction is "),
        (_set("image_uint8", 7), "distortions", "distortion_uint8 is "),
        (_set("success_uint8", 2), "values", "success_uint8 is 2; expected values in [0, 1]"),
        (_set("success", 0), "success", "success is 0; by the class it is 1"),
        (_set("target", 3), "success", "target is 3 with the attack untargeted"),
        (_set("distortion", 0.01), "summary", "summary: mean_distortion is "),
        (_image_farther, "minimality", "a success lies at 0.925 of its distortion"),
    ],
)
def test_a_forged_example_is_found_and_numbered(
    a_set: Path, change: Callable[[Examples], None], name: str, text: str
) -> None:
    forge_examples(a_set, change)
    index = read_adversarial_set(a_set).examples["index"][103]
    # All of them, to meet the one.
    found = _verify(a_set, spot_checks=10_000)
    check = _by_name(found)[name]
    assert check.outcome == "fails"
    assert not found.holds
    (line,) = (problem for problem in check.problems if text in problem)
    if name != "summary":
        assert line.startswith(f"example 103 (index {index}")
    if name not in ("summary", "minimality"):
        assert check.text == f"1 of {found.num_examples} examples"
        assert f"of {shards(a_set)[1].name}: " in line


def test_of_many_forged_examples_the_first_are_described(a_set: Path) -> None:
    def change(examples: Examples) -> None:
        examples["l2"][50:] += 1

    forge_examples(a_set, change)
    found = _verify(a_set, load_model=None, load_dataset=None)
    check = _by_name(found)["distortions"]
    assert [line.split()[1] for line in check.problems[:5]] == ["50", "51", "52", "53", "54"]
    more = found.num_examples - 55
    assert check.problems[5:] == (f"and {more} more examples whose l2 is wrong",)


def test_a_damaged_shard_is_named_and_the_others_are_still_checked(a_set: Path) -> None:
    forge_examples(a_set, _image_outside)
    first, _, third, last = shards(a_set)
    flip_bit(first, 12345)
    vouch(a_set)
    flip_bit(third, 54321)
    last.unlink()
    found = _by_name(_verify(a_set))
    assert found["files"].outcome == "fails"
    problems = {line.split()[0]: line for line in found["files"].problems}
    assert "is damaged: record " in problems[str(first)]
    assert "is damaged: record " in problems[str(third)]
    assert problems[str(last)].endswith(" is missing")
    assert found["values"].text == "1 of 100 examples"
    assert found["values"].problems[0].startswith("example 103 ")
    assert found["predictions"].outcome == "holds"
    assert (found["summary"].outcome, found["summary"].text) == (
        "not checked",
        "since values failed",
    )
    assert found["minimality"].text == "since values failed"


def test_nothing_but_damaged_shards(a_set: Path) -> None:
    for path in shards(a_set):
        path.write_bytes(b"nothing")
    found = _verify(a_set)
    assert found.named("fails") == ["files"]
    assert found.named("not checked") == CHECKS[4:]
    assert {check.text for check in found.checks[4:]} == {"since files failed"}
    found = _verify(a_set, load_dataset=None, load_model=None)
    assert found.named("not checked") == ["values", "success", "distortions", "summary"]


def test_images_that_the_flags_do_not_choose_are_counted(a_set: Path) -> None:
    def exchange(examples: Examples) -> None:
        for values in examples.values():
            values[[5, 250]] = values[[250, 5]]

    forge_examples(a_set, exchange)
    found = _verify(a_set)
    assert found.named("fails") == ["settings"]
    assert _by_name(found)["settings"].problems == (
        "2 examples are of other images than the flags choose",
    )


def test_no_name_in_a_set_moves_the_cursor(a_set: Path) -> None:
    name = "a\x1b[2Jb\nverified: ok"
    forge_manifest(a_set, files={**read_json(a_set / MANIFEST)["files"], name: "0" * 64})
    (line,) = _by_name(_verify(a_set, load_model=None))["files"].problems
    assert line == f"{a_set}/a\\x1b[2Jb\\nverified: ok is missing"


def test_another_model_is_named(a_set: Path) -> None:
    def verify(**replaced: Any) -> Check:
        other = dataclasses.replace(_classifier(), **replaced)
        return _by_name(_verify(a_set, load_model=lambda interface: other))["model"]

    check = verify(name="fc200-200-10", fingerprint="12" * 32)
    assert check.outcome == "fails"
    start = "the set was made for another model, fc100-100-10, not fc200-200-10 (418fba365517 there"
    assert check.text.startswith(start)
    again = verify(fingerprint="12" * 32)
    assert again.outcome == "fails"
    assert again.text == (
        "fc100-100-10 is not the one that was attacked, though of the same name (418fba365517 "
        "there, 121212121212 here): it was trained or exported again, or is of other data"
    )
    assert "made for another model" in verify(image_shape=(28, 28, 1)).text
    forge_manifest(a_set, model={"fingerprint": "abc"})
    assert verify().text.startswith("the set was made for another model, None, not fc100-100-10")
    forge_manifest(a_set, model=_classifier().description)
    # The same files under another name are the same model.
    assert verify(name="copy").outcome == "holds"


def test_a_model_that_its_settings_do_not_fit_is_another_one(a_set: Path) -> None:
    model = read_json(a_set / MANIFEST)["model"]
    forge_manifest(a_set, model={**model, "settings": {"output": "scores"}})

    def load(interface: ModelInterface) -> Classifier:
        return load_classifier(MODEL, interface=interface)

    check = _by_name(_verify(a_set, load_model=load))["model"]
    assert check.outcome == "fails"
    assert check.text.startswith("the set was made for another model, fc100-100-10: used as its se")
    assert "scores" in check.text
    with pytest.raises(InputError, match="does not exist"):
        _verify(a_set, load_model=lambda interface: load_classifier("absent", interface=interface))


def test_a_model_is_used_as_the_manifest_says(a_set: Path) -> None:
    model = read_json(a_set / MANIFEST)["model"]
    settings = {"pixel_range": [0, 255], "mean": [1.5], "output_kind": "logits"}
    forge_manifest(a_set, model={**model, "settings": settings})
    used: list[ModelInterface] = []

    def load(interface: ModelInterface) -> Classifier:
        used.append(interface)
        return load_classifier(MODEL, interface=interface)

    check = _by_name(_verify(a_set, load_model=load))["model"]
    assert used == [ModelInterface(pixel_range=(0, 255), mean=(1.5,), output_kind="logits")]
    # Used otherwise, it is another model.
    assert check.outcome == "fails"
    forge_manifest(a_set, model={**model, "settings": {"rotated": True}})
    check = _by_name(_verify(a_set, load_model=load))["model"]
    assert check.text.startswith(
        "the model's settings hold rotated; expected those of this version"
    )


def test_another_dataset_is_named(a_set: Path) -> None:
    def verify(**replaced: Any) -> dict[str, Check]:
        other = dataclasses.replace(load_dataset("digits", "test"), **replaced)
        return _by_name(_verify(a_set, load_dataset=lambda name, split: other))

    images = load_dataset("digits", "test").images.copy()
    images[11] = 0
    changed = verify(images=images, fingerprint="34" * 32)
    assert changed["dataset"].outcome == "fails"
    text = "digits test is not what was attacked (6c188873fa5a there, 343434343434 here): other im"
    assert changed["dataset"].text.startswith(text)
    assert changed["originals"].text == "1 of 360 examples"
    scaled = verify(images=np.zeros((360, 9, 9, 1), np.float32))
    assert scaled["dataset"].text.startswith("images of digits are [9, 9, 1], those of the set [8,")
    assert scaled["originals"].outcome == "not checked"
    other = verify(name="mnist", fingerprint="34" * 32)
    text = "the set was made of digits, not mnist (6c188873fa5a there, 343434343434 here)"
    assert (other["dataset"].outcome, other["dataset"].text) == ("fails", text)
    assert other["originals"].text == "since dataset failed"
    # The same images under another name are the same dataset.
    assert verify(name="copy")["dataset"].outcome == "holds"
    # A part that has all the images will do.
    part = verify(split="test[:360]", fingerprint="34" * 32)
    assert part["dataset"].outcome == "left out"
    assert part["originals"].outcome == "holds"


def test_what_cannot_be_had_is_not_checked_and_what_nobody_wants_is_left_out(a_set: Path) -> None:
    def absent(name: str | None, split: str) -> ImageDataset:
        raise InputError(f"no {name} here.")

    found = _verify(a_set, load_dataset=absent)
    assert _by_name(found)["dataset"].outcome == "not checked"
    assert _by_name(found)["dataset"].text == "digits test is not to be had: no digits here."
    assert not found.holds
    assert found.verdict("it").endswith(" s): dataset, originals could not be checked.")
    with pytest.raises(InputError, match=r"no photos here\."):
        _verify(a_set, load_dataset=absent, dataset="photos")
    found = _verify(a_set, load_dataset=None, load_model=None)
    assert found.named("left out") == ["dataset", "model"]
    assert found.holds
    assert found.verdict("it").endswith("; dataset, model left out)")


def test_a_set_from_python_claims_less(tmp_path: Path) -> None:
    found = read_adversarial_set(EXAMPLE_SET)
    names = found.manifest["class_names"]
    _image_farther(found.examples)
    write_adversarial_set(tmp_path / "a", found.examples, model="mine", class_names=names)
    verified = _verify(tmp_path / "a", load_dataset=lambda name, split: None, spot_checks=10_000)
    assert verified.named("left out") == ["dataset", "model", "minimality"]
    assert verified.holds
    text = _by_name(verified)["minimality"].text
    assert ", 1 have a success nearer by 1 % or more" in text
    description = _classifier().description
    write_adversarial_set(tmp_path / "b", found.examples, model=description, class_names=names)
    verified = _verify(tmp_path / "b", load_dataset=lambda name, split: None)
    assert _by_name(verified)["model"].outcome == "holds"


def test_outputs_of_a_hidden_layer_need_more_than_the_model(a_set: Path) -> None:
    model = {"name": "fc100-100-10", "layer": "hidden_1"}
    inputs = read_json(a_set / MANIFEST)["inputs"]
    forge_manifest(a_set, model=model, inputs={**inputs, "model": model})
    found = _verify(a_set)
    assert found.named("not checked") == ["model", "predictions", "minimality"]
    assert "outputs of fc100-100-10's layer hidden_1" in _by_name(found)["model"].text
    assert _verify(a_set, load_model=None).holds


def test_an_exported_file_is_compared_with_the_shards(a_set: Path) -> None:
    export_npz(a_set)
    assert _by_name(_verify(a_set))[NPZ].outcome == "holds"
    forge_examples(a_set, _set("evaluations", 7))
    found = _by_name(_verify(a_set))[NPZ]
    assert (found.outcome, found.text) == ("fails", "holds another evaluations than the shards")


def test_of_an_exported_file_everything_is_compared(a_set: Path) -> None:
    def found(**replaced: Any) -> str:
        export_npz(a_set)
        with np.load(a_set / NPZ) as arrays:
            forged = dict(arrays)
        np.savez(a_set / NPZ, **(forged | replaced))
        return _whole_npz(a_set)

    assert found() == "holds what the shards hold"
    names = np.array(list("1023456789"))
    assert found(class_names=names) == "holds another class_names than the set's manifest"
    assert found(manifest=np.array("{}")) == "holds another manifest than the set's manifest"
    np.save(a_set / "one.npy", np.zeros(3))
    for content in ((a_set / "one.npy").read_bytes(), _broken_stream(a_set / NPZ)):
        (a_set / NPZ).write_bytes(content)
        assert _whole_npz(a_set).startswith("cannot be read (")
    (a_set / NPZ).unlink()
    (a_set / NPZ).mkdir()
    assert _whole_npz(a_set).startswith("cannot be read (")


def _whole_npz(a_set: Path) -> str:
    return _by_name(_verify(a_set, load_model=None, load_dataset=None))[NPZ].text


def _broken_stream(path: Path) -> bytes:
    """A compressed archive whose first member does not decompress."""
    with np.load(path) as arrays:
        np.savez_compressed(path, **dict(arrays))
    data = bytearray(path.read_bytes())
    data[200:600] = bytes(400)
    return bytes(data)


def test_names_of_classes_are_those_of_the_dataset(a_set: Path) -> None:
    forge_manifest(a_set, class_names=list("1023456789"))
    assert "class_names are not those of digits" in _by_name(_verify(a_set))["settings"].problems


@pytest.mark.parametrize(
    ("forge", "message"),
    [
        ({"schema": 3}, r"was written with schema 3 of adversarial_set; this version, \S+, reads"),
        ({"kind": "saved_model"}, "holds a result of kind saved_model; expected adversarial_set"),
        (
            {"class_names": None},
            r"manifest\.json has another class_names than a list of texts\. Copy",
        ),
    ],
)
def test_what_is_no_set_of_this_version_is_refused(
    a_set: Path, forge: dict[str, Any], message: str
) -> None:
    forge_manifest(a_set, **forge)
    with pytest.raises(InputError, match=message):
        _verify(a_set)
