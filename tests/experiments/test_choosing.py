"""Which images are attacked: drawn from the right ones, by the seed; targets by name."""

import dataclasses

import numpy as np
import pytest

from tfblindspots.data import ImageDataset
from tfblindspots.errors import InputError
from tfblindspots.experiments import target_by_name
from tfblindspots.experiments.choosing import choose_images
from tfblindspots.models import Classifier, predict_classes


@pytest.fixture(scope="module")
def data(test_set: ImageDataset) -> ImageDataset:
    """With ten labels that are wrong."""
    labels = test_set.labels.copy()
    labels[::3] = (labels[::3] + 5) % 10
    return dataclasses.replace(test_set, labels=labels)


@pytest.fixture(scope="module")
def correct(classifier: Classifier, data: ImageDataset) -> np.ndarray:
    found = np.flatnonzero(predict_classes(classifier, data.images) == data.labels)
    assert 15 < len(found) < 25  # or nothing is tested
    return found


def test_a_sample_is_of_correct_images(
    classifier: Classifier, data: ImageDataset, correct: np.ndarray
) -> None:
    chosen = choose_images(classifier, data, "untargeted", 0, sample=10)
    assert chosen.candidates == len(correct)
    assert len(np.unique(chosen.positions)) == 10
    assert set(chosen.positions) <= set(correct)
    assert (np.diff(chosen.positions) > 0).all()
    again = choose_images(classifier, data, "random", 0, sample=10)
    np.testing.assert_array_equal(again.positions, chosen.positions)
    other = choose_images(classifier, data, "untargeted", 1, sample=10)
    assert set(other.positions) != set(chosen.positions)


def test_every_correct_image_is_as_likely(
    classifier: Classifier, data: ImageDataset, correct: np.ndarray
) -> None:
    drawn = np.concatenate(
        [choose_images(classifier, data, "random", s, sample=5).positions for s in range(200)]
    )
    counts = np.bincount(drawn, minlength=len(data.labels))[correct]
    expected = 1000 / len(correct)
    # Chi-square with len - 1 degrees of freedom, which sampling without replacement only narrows.
    statistic = ((counts - expected) ** 2 / expected).sum()
    assert counts.sum() == 1000
    assert statistic < len(correct) - 1 + 4 * np.sqrt(2 * (len(correct) - 1))


def test_a_sample_leaves_the_target_class_out(
    classifier: Classifier, data: ImageDataset, correct: np.ndarray
) -> None:
    label = int(np.bincount(data.labels[correct]).argmax())
    others = correct[data.labels[correct] != label]
    chosen = choose_images(classifier, data, str(label), 0, sample=len(others))
    np.testing.assert_array_equal(chosen.positions, others)
    assert chosen.candidates == len(others)
    with pytest.raises(
        InputError,
        match=rf"^a sample of 30 was asked for, and of 30 images of digits test\[:30\] "
        rf"{len(others)} are classified correctly and not of the target class; expected at",
    ):
        choose_images(classifier, data, str(label), 0, sample=30)


def test_rejects_a_sample_of_the_first(classifier: Classifier, data: ImageDataset) -> None:
    with pytest.raises(InputError, match=r"give one of --sample, --num_examples\.$"):
        choose_images(classifier, data, "random", 0, sample=3, num_examples=5)
    with pytest.raises(InputError, match=r"^sample is 0; expected at least 1\.$"):
        choose_images(classifier, data, "random", 0, sample=0)


@pytest.fixture
def photos(data: ImageDataset) -> ImageDataset:
    names = ["n01440764_tench", "n01518878_ostrich", "n02012849_crane", "n03126707_crane"]
    names += [f"class {number}" for number in range(6)]
    return dataclasses.replace(data, name="photos", class_names=tuple(names))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("random", "random"),
        ("all", "all"),
        ("7", "7"),
        ("ostrich", "1"),
        ("Ostrich", "1"),
        ("n01518878_ostrich", "1"),
        ("n03126707_crane", "3"),
        ("class 5", "9"),
    ],
)
def test_targets_have_names(given: str, expected: str, photos: ImageDataset) -> None:
    assert target_by_name(given, photos) == expected


def test_a_number_that_names_another_class_is_refused(photos: ImageDataset) -> None:
    names = ("1", "10", "2", *photos.class_names[3:])
    with pytest.raises(InputError, match="target 1 is the name of class 0 of photos as well as a"):
        target_by_name("1", dataclasses.replace(photos, class_names=names))
    # As of digits, whose names are their numbers.
    names = ("0", "1", *photos.class_names[2:])
    assert target_by_name("1", dataclasses.replace(photos, class_names=names)) == "1"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("crane", r"target 'crane' is the name of the classes 2, 3 of photos; give a number\."),
        (
            "ostritch",
            "target 'ostritch' is unknown; expected random, untargeted, most_likely, least_likely, "
            "all, a class number, or the name of one of the 10 classes of photos, such as 'tench'",
        ),
    ],
)
def test_rejects_names(given: str, message: str, photos: ImageDataset) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        target_by_name(given, photos)
