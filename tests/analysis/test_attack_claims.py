"""Claims about an attack against examples that it made, one claim changed at a time."""

import copy
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.adversarial_sets.tampering import EXAMPLE_SET, SCHEMA_1
from tfblindspots.adversarial_sets import read_adversarial_set
from tfblindspots.analysis import (
    eight_bit_violations,
    likelihood_violations,
    settings_differences,
    target_violations,
    unattacked_violations,
)
from tfblindspots.artifacts import MANIFEST, read_json
from tfblindspots.data import from_uint8
from tfblindspots.models import Classifier

Examples = dict[str, np.ndarray]
MISSING = object()


@pytest.fixture
def random_targets() -> Examples:
    """Of scripts/attack.py --target=random."""
    return read_adversarial_set(SCHEMA_1).examples


@pytest.fixture
def untargeted() -> Examples:
    return read_adversarial_set(EXAMPLE_SET).examples


def test_random_targets_follow_from_the_seed(random_targets: Examples) -> None:
    assert target_violations(random_targets, {"target": "random", "seed": 0}, 10) == []
    (other,) = target_violations(random_targets, {"target": "random", "seed": 1}, 10)
    assert other.numbers.size > 10
    row = 3
    true = random_targets["target"][row]
    random_targets["target"][row] = -1
    (found,) = target_violations(random_targets, {"target": "random", "seed": 0}, 10)
    assert found.numbers.tolist() == [row]
    assert found.texts == (f"target is -1; by the seed 0 it is {true}",)


@pytest.mark.parametrize("target", ["random", "all", "banana", "3", "most_likely", "9" * 5000])
def test_an_untargeted_set_is_of_no_other_attack(untargeted: Examples, target: str) -> None:
    assert target_violations(untargeted, {"target": "untargeted", "seed": 0}, 10) == []
    (found,) = target_violations(untargeted, {"target": target, "seed": 0}, 10)
    attacked = untargeted["label"] == untargeted["original_prediction"]
    assert set(np.flatnonzero(attacked)) <= set(found.numbers)


def test_likely_targets_are_those_of_the_model() -> None:
    # Class 3 is the most likely after the label, class 0 the least.
    order = tf.constant([[0.0, 9.0, 3.0, 5.0]])
    images = np.zeros((4, 1, 1, 1), np.float32)
    model = Classifier("m", lambda x: order + x[:, 0, 0], (1, 1, 1), 4, "0" * 64, False)
    examples = {
        "original": images,
        "label": np.array([1, 1, 1, 2]),
        "original_prediction": np.ones(4, np.int64),
        "target": np.array([3, 0, 2, 2]),
        "index": np.arange(4),
    }
    (likely,) = likelihood_violations(examples, "most_likely", model)
    # The last is not attacked.
    assert likely.numbers.tolist() == [1, 2]
    (unlikely,) = likelihood_violations(examples, "least_likely", model)
    assert unlikely.numbers.tolist() == [0, 2]
    assert unlikely.texts[0] == "target is 3; as least_likely it is 0"
    assert likelihood_violations(examples, "random", model) == []


def test_misclassified_images_are_left_as_they_are(untargeted: Examples) -> None:
    assert unattacked_violations(untargeted) == []
    wrong = np.flatnonzero(untargeted["label"] != untargeted["original_prediction"])
    untargeted["image"][wrong[1], 0, 0] += 0.25
    (found,) = unattacked_violations(untargeted)
    assert found.numbers.tolist() == [wrong[1]]


def test_images_of_8_bits_are_their_8_bit_images(untargeted: Examples) -> None:
    (found,) = eight_bit_violations(untargeted)
    assert found.numbers.size > 300
    untargeted["image"] = from_uint8(untargeted["image_uint8"])
    assert eight_bit_violations(untargeted) == []
    untargeted["image"][5, 0, 0] += 1e-7
    (found,) = eight_bit_violations(untargeted)
    assert found.numbers.tolist() == [5]


def _forged(**values: Any) -> list[str]:
    """What is found in a manifest where some keys, with __ for dots, have other values."""
    manifest = copy.deepcopy(read_json(EXAMPLE_SET / MANIFEST))
    for key, value in values.items():
        *outer, last = key.split("__")
        inner = manifest
        for name in outer:
            inner = inner[name]
        inner[last] = value
        if value is MISSING:
            del inner[last]
    return settings_differences(manifest)


def test_manifests_that_agree_with_themselves() -> None:
    assert _forged() == settings_differences(read_json(SCHEMA_1 / MANIFEST)) == []
    assert _forged(num_examples=60, flags__num_examples=60) == []
    assert _forged(num_examples=60, flags__sample=60, candidates=353) == []
    target = {"attack__target": "3", "flags__target": "3"}
    assert _forged(num_examples=300, **target) == []
    elsewhere = "and elsewhere in the manifest"
    assert _forged(attack__target="all") == [f"attack.target is all, {elsewhere} untargeted"]
    (line,) = _forged(attack__target="banana", flags__target="banana")
    assert line.startswith("attack: target is 'banana'; expected ")
    (line,) = _forged(attack__target="10", flags__target="10", num_examples=300)
    assert line == "attack: target 10 is no class of the model"
    assert _forged(attack__bits=8) == [f"attack.bits is 8, {elsewhere} None"]
    assert _forged(seed=1) == [f"attack.seed is 0, {elsewhere} 1"]
    assert _forged(dataset="mnist") == 2 * [f"dataset is mnist, {elsewhere} digits"]
    assert _forged(inputs__dataset__split="train") == [f"split is test, {elsewhere} train"]
    (line,) = _forged(inputs__model={"name": "other"})
    assert line.startswith("model is {'name': 'fc100-100-10', ")
    assert _forged(attack__norm=[], flags__norm=[])[0].startswith("attack: ")


def test_a_choice_of_the_most_favourable_images_is_found() -> None:
    assert _forged(num_examples=60) == ["num_examples is 60; the flags choose 360 of 360 images"]
    assert _forged(flags__sample=60, candidates=353) == [
        "num_examples is 360; the flags choose 60 of 360 images"
    ]


def test_a_manifest_that_says_less_than_an_attack_writes_is_found() -> None:
    missing = dict.fromkeys(("attack", "dataset", "split", "summary", "quality_card"), MISSING)
    assert _forged(**missing) == []
    for name in missing:
        (line,) = _forged(**{name: MISSING})
        assert line.startswith(f"{name} is missing, beside ")
    assert len(_forged(flags={})) > 10
    (*_, model, count) = _forged(inputs={})
    assert model.startswith("model is {") and model.endswith("elsewhere in the manifest missing")
    assert count == "inputs or flags do not say how many images were to be attacked"
