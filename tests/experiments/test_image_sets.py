"""The rows of an error table hold the images that their names promise."""

import numpy as np

from tfblindspots.adversarial_sets import AdversarialSet
from tfblindspots.data import ImageDataset
from tfblindspots.experiments.image_sets import CleanImages, adversarial_images, clean_and_noise


def make_set(success: list[int]) -> AdversarialSet:
    count = len(success)
    images = np.random.default_rng(0).random((2, count, 8, 8, 1), np.float32)
    examples = {
        "image": images[0],
        "original": images[1],
        "label": np.arange(count),
        "index": np.arange(count) + 7,
        "success": np.array(success),
        "distortion": np.linspace(0.1, 0.3, count, dtype=np.float32),
    }
    return AdversarialSet("set", "test", examples, {"model": {"name": "linear"}})


def test_a_row_of_adversarial_images() -> None:
    found = make_set([1, 1, 1])
    row = adversarial_images(found, "row")
    assert (row.name, row.made_for) == ("row", "linear")
    assert row.images is found.examples["image"]
    np.testing.assert_allclose(row.distortion, 0.2, rtol=1e-6)


def test_failures_have_no_distortion() -> None:
    np.testing.assert_allclose(adversarial_images(make_set([0, 0, 1]), "row").distortion, 0.3)
    assert adversarial_images(make_set([0, 0, 0]), "row").distortion == 0


def test_clean_images_and_their_noise(test_set: ImageDataset) -> None:
    clean, weak, strong = clean_and_noise(CleanImages.of_dataset(test_set, 20), [0.1, 0.3], seed=0)
    assert [clean.name, weak.name, strong.name] == [
        "clean images",
        "Gaussian noise 0.1",
        "Gaussian noise 0.3",
    ]
    np.testing.assert_array_equal(clean.images, test_set.images[:20])
    np.testing.assert_array_equal(weak.labels, test_set.labels[:20])
    assert clean.distortion == 0
    for row, stddev in ((weak, 0.1), (strong, 0.3)):
        assert row.distortion == stddev
        np.testing.assert_allclose(np.std(row.images - clean.images), stddev, rtol=0.05)
    assert [row.made_for for row in (clean, weak, strong)] == [None] * 3


def test_rows_can_say_which_images_they_are(test_set: ImageDataset) -> None:
    rows = list(clean_and_noise(CleanImages.of_dataset(test_set), [0.1], 0, name_source=True))
    assert [row.name for row in rows] == [
        "clean images (digits test[:30])",
        "Gaussian noise 0.1 (digits test[:30])",
    ]


def test_clean_images_are_equal_when_the_images_are() -> None:
    found = make_set([1, 1])
    same = CleanImages.make(
        "elsewhere",
        found.examples["original"].copy(),
        found.examples["label"].copy(),
        found.examples["index"].copy(),
    )
    assert CleanImages.of_adversarial_set(found) == same
    assert CleanImages.of_adversarial_set(make_set([1, 1, 1])) != same
