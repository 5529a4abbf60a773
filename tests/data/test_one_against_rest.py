"""One class against the rest, and one class alone."""

import dataclasses

import numpy as np
import pytest

from tfblindspots.data import load_dataset, one_against_rest, only_class
from tfblindspots.errors import InputError

_DIGITS = load_dataset("digits", "test")


def test_two_classes_of_the_same_images() -> None:
    found = one_against_rest(_DIGITS, "3")
    assert (found.num_classes, found.class_names) == (2, ("rest", "3"))
    np.testing.assert_array_equal(found.labels == 1, _DIGITS.labels == 3)
    assert set(found.labels.tolist()) == {0, 1} and found.labels.dtype == np.int64
    np.testing.assert_array_equal(found.images, _DIGITS.images)
    assert found.name == "digits (3 against the rest)"
    assert len({_DIGITS.fingerprint, found.fingerprint}) == 2
    assert found.source_split == "test"


def test_one_class_alone_keeps_its_places() -> None:
    found = only_class(one_against_rest(_DIGITS, "3"), "3")
    assert (found.labels == 1).all() and found.num_classes == 2
    np.testing.assert_array_equal(found.indices, _DIGITS.indices[_DIGITS.labels == 3])
    np.testing.assert_array_equal(found.images, _DIGITS.images[found.indices])
    assert found.name == "digits (3 against the rest), only 3"


def test_other_classes_are_refused() -> None:
    message = "digits has no class '33' .did you mean 3.*; expected one of its 10 classes"
    with pytest.raises(InputError, match=message):
        one_against_rest(_DIGITS, "33")
    twice = dataclasses.replace(_DIGITS, class_names=("crane", "crane", *_DIGITS.class_names[2:]))
    with pytest.raises(InputError, match="'crane' is the name of the classes 0, 1 of digits"):
        only_class(twice, "crane")
    long = dataclasses.replace(_DIGITS, class_names=("n01_ostrich", *_DIGITS.class_names[1:]))
    with pytest.raises(InputError, match=r"no class 'ostrich' .did you mean n01_ostrich"):
        only_class(long, "ostrich")
    few = load_dataset("digits", "test[:1]")
    absent = few.class_names[(few.labels[0] + 1) % 10]
    with pytest.raises(InputError, match=f"has no image of class '{absent}'; name a larger split"):
        only_class(few, absent)
