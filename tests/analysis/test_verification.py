"""Claims about examples against pixels made by hand, one claim broken at a time."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.analysis import (
    Violation,
    merged,
    nearest_shares,
    original_violations,
    prediction_violations,
    repeated_indices,
    sample_found,
    size_violations,
    success_violations,
    summarize_distortions,
    summary_differences,
    target_violations,
    value_violations,
    warning_differences,
)
from tfblindspots.models import Classifier

Examples = dict[str, np.ndarray]
CLASSES = 4


def _sum_of_pixels(images: tf.Tensor) -> tf.Tensor:
    """Class k where the mean of the pixels is nearest to k / 3."""
    mean = tf.reduce_mean(images, axis=[1, 2, 3])
    return -tf.square(mean[:, None] - tf.range(CLASSES, dtype=tf.float32) / 3)


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier("mean", _sum_of_pixels, (2, 3, 1), CLASSES, "0" * 64, False)


@pytest.fixture
def examples() -> Examples:
    """Eight images of class 1, moved along the diagonal to just beyond class 2's boundary, 0.5."""
    original = np.full((8, 2, 3, 1), 0.375, np.float32)
    image = np.full((8, 2, 3, 1), 0.5078125, np.float32)
    levels = np.full((8, 2, 3, 1), 130, np.uint8)
    count = np.ones(8, np.int64)
    size = np.full(8, 0.1328125, np.float32)
    found: Examples = {
        "image": image,
        "original": original,
        "image_uint8": levels,
        "label": count,
        "original_prediction": count,
        "prediction": 2 * count,
        "target": 2 * count,
        "success": count,
        "index": np.arange(10, 18),
        "c": count.astype(np.float32),
        "distortion": size,
        "l2": np.sqrt(6).astype(np.float32) * size,
        "linf": size,
        "prediction_uint8": 2 * count,
        "success_uint8": count,
        "distortion_uint8": np.full(8, 130 / 255 - 0.375, np.float32),
        "evaluations": 9 * count,
        "status": np.full(8, "converged", object),
    }
    return {name: values.copy() for name, values in found.items()}


def _all(examples: Examples, classifier: Classifier) -> list[Violation]:
    images, labels = np.full((20, 2, 3, 1), 0.375, np.float32), np.ones(20, np.int64)
    return [
        *value_violations(examples, 2, CLASSES),
        *original_violations(examples, images, labels, np.arange(20)[::-1]),
        *prediction_violations(examples, classifier),
        *success_violations(examples),
        *size_violations(examples),
        *target_violations(examples, {"target": "all", "seed": 0}, CLASSES),
        *target_violations(examples, {"target": "2", "seed": 0}, CLASSES),
        *repeated_indices(examples),
    ]


def test_nothing_is_wrong_with_what_is_right(examples: Examples, classifier: Classifier) -> None:
    assert _all(examples, classifier) == []
    schema_1 = {name: v for name, v in examples.items() if not name.endswith("_uint8")}
    assert value_violations(schema_1, 1, CLASSES) == []
    assert prediction_violations(schema_1, classifier) == []
    assert success_violations(schema_1) + size_violations(schema_1) == []


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("image", np.nan, {"image": "image is nan to nan; expected values in [0, 1]"}),
        ("image", 1.25, {"image": "image is 1.25 to 1.25; expected values in [0, 1]"}),
        ("prediction", 4, {"prediction": "prediction is 4; expected values in [0, 3]"}),
        ("c", -1, {"c": "c is -1; expected values finite and at least 0"}),
        ("original", 0.25, {"original": "differs from the dataset's image by up to 0.125"}),
        ("label", 0, {"label": "label is 0; in the dataset it is 1"}),
        ("index", 20, {"index": "the dataset has no image of this index"}),
        ("prediction", 3, {"prediction": "prediction is 3; by the model it is 2"}),
        ("prediction_uint8", 0, {"prediction_uint8": "is 0; by the model it is 2"}),
        ("original_prediction", 0, {"original_prediction": "is 0; by the model it is 1"}),
        ("success", 0, {"success": "success is 0; by the class it is 1"}),
        ("success_uint8", 0, {"success_uint8": "success_uint8 is 0; by the class it is 1"}),
        ("distortion", 0.13282, {"distortion": "is 0.13282; recomputed from the pixels: 0.13281"}),
        ("l2", 0.4, {"l2": "l2 is 0.4; recomputed from the pixels: 0.3253229"}),
        ("linf", 0.13, {"linf": "linf is 0.13; recomputed from the pixels: 0.1328125"}),
        (
            "distortion_uint8",
            0.2,
            {"distortion_uint8": "is 0.2; recomputed from the pixels"},
        ),
        ("image_uint8", 131, {"distortion_uint8": "recomputed from the pixels: 0.1387255"}),
        ("image_uint8", 120, {"prediction_uint8": "prediction_uint8 is 2; by the model it is 1"}),
        ("target", 1, {"target": "target is 1 with the attack all"}),
        ("target", 3, {"target": "target is 3 with the attack 2"}),
        ("index", 16, {"index": "index 16 is that of an earlier example"}),
    ],
)
def test_one_wrong_value_is_found(
    examples: Examples,
    classifier: Classifier,
    field: str,
    value: Any,
    expected: dict[str, str],
) -> None:
    examples[field][7] = value
    if np.isnan(examples["image"]).any():
        found = value_violations(examples, 2, CLASSES)
    else:
        found = _all(examples, classifier)
    for claim, text in expected.items():
        matching = [v for v in found if v.claim == claim and text in v.texts[0]]
        assert matching, found
        assert matching[0].numbers.tolist() == [7]
    assert all(v.numbers.tolist() == [7] for v in found)


def test_failures_and_images_misclassified_to_begin_with_may_be_so(examples: Examples) -> None:
    for name, failed, misclassified in (
        ("original_prediction", 1, 3),
        ("prediction", 1, 3),
        ("prediction_uint8", 1, 3),
        ("target", 2, 0),
        ("success", 0, 1),
        ("success_uint8", 0, 1),
    ):
        examples[name][0], examples[name][1] = failed, misclassified
    assert success_violations(examples) == []
    assert target_violations(examples, {"target": "all", "seed": 0}, CLASSES) == []
    # What was aimed at is another class than the one that was reached.
    examples["target"][2] = 3
    assert {violation.claim for violation in success_violations(examples)} == {
        "success",
        "success_uint8",
    }


def _with_rounded_original(examples: Examples) -> Examples:
    """Where no image of 8 bits was found, though the class of the rounded original is another."""
    examples["image_uint8"][0] = 96
    examples["success_uint8"][0] = 0
    return examples


def test_an_image_that_is_not_answered_is_no_success_whatever_its_class(
    examples: Examples,
) -> None:
    def hole(images: tf.Tensor) -> tf.Tensor:
        """NaN for the class of grey level 96, so that 2 is the next."""
        level = tf.round(2550 * tf.reduce_mean(images, axis=[1, 2, 3]))[:, None]
        return tf.where((level == 960) & (tf.range(4) == 1), np.nan, _sum_of_pixels(images))

    model = Classifier("hole", hole, (2, 3, 1), CLASSES, "0" * 64, False)
    found = _with_rounded_original(examples)
    assert success_violations(found) == prediction_violations(found, model) == []
    found["success_uint8"][0] = 1
    assert success_violations(found) == []
    (violation,) = prediction_violations(found, model)
    assert (violation.claim, violation.numbers.tolist()) == ("success_uint8", [0])
    assert violation.texts == ("success_uint8 is 1; the model returns NaN for the image",)


def test_an_original_that_is_answered_is_no_failure_where_its_class_is_sought(
    examples: Examples,
) -> None:
    def turns(images: tf.Tensor) -> tf.Tensor:
        """Class 2 from 0.3755 on, which is between the original and it, rounded."""
        return _sum_of_pixels(images + 0.1245)

    model = Classifier("turns", turns, (2, 3, 1), CLASSES, "0" * 64, False)
    found = _with_rounded_original(examples)
    assert success_violations(found) == []
    (violation,) = prediction_violations(found, model)
    assert violation.texts == ("success_uint8 is 0; the model returns numbers for the image",)
    # Of another image it needs no model.
    found["image_uint8"][0] = 130
    assert success_violations(found)[0].texts == ("success_uint8 is 0; by the class it is 1",)


def test_violations_of_parts_are_those_of_the_whole() -> None:
    numbers = np.arange(10)
    parts = [
        Violation("l2", np.array([1, 3]), ("a", "b")),
        Violation("label", np.array([2]), ("c",)),
        Violation("l2", np.arange(7), tuple("defgh")),
    ]
    l2, label = merged([parts[0], parts[1], parts[2].of(numbers + 100)])
    assert l2.claim == "l2"
    assert l2.numbers.tolist() == [1, 3, *range(100, 107)]
    assert l2.texts == ("a", "b", "d", "e", "f")
    assert (label.claim, label.numbers.tolist(), label.texts) == ("label", [2], ("c",))


def test_the_way_back_is_searched_for_successes(examples: Examples, classifier: Classifier) -> None:
    # The boundary lies 0.125 from the original, at 0.941 of the way to the image.
    assert nearest_shares(examples, classifier) == pytest.approx(np.full(8, 0.95), abs=1e-6)
    at_boundary = {**examples, "image": np.full((8, 2, 3, 1), 0.5001, np.float32)}
    assert nearest_shares(at_boundary, classifier).tolist() == [1] * 8
    far = {**examples, "image": np.full((8, 2, 3, 1), 0.8, np.float32)}
    # On the way to class 3's images lie those of class 2.
    assert nearest_shares(far, classifier) == pytest.approx(np.full(8, 0.3), abs=1e-6)
    untargeted = {**far, "target": np.full(8, -1)}
    assert nearest_shares(untargeted, classifier) == pytest.approx(np.full(8, 0.3), abs=1e-6)
    aimed = {**far, "target": np.full(8, 3)}
    assert nearest_shares(aimed, classifier).tolist() == [1] * 8


def test_images_of_8_bits_have_only_grey_levels_nearer(
    examples: Examples, classifier: Classifier
) -> None:
    original = np.full((1, 2, 3, 1), 95 / 255, np.float32)
    some = {name: values[:1] for name, values in examples.items()} | {"original": original}
    # Level 128 is the first beyond the boundary, at 127.5; 140 is eight levels too far.
    nearest = {**some, "image": np.full((1, 2, 3, 1), 128 / 255, np.float32)}
    assert nearest_shares(nearest, classifier, eight_bit=True).tolist() == [1]
    assert nearest_shares(nearest, classifier)[0] == pytest.approx(0.99)
    far = {**some, "image": np.full((1, 2, 3, 1), 140 / 255, np.float32)}
    found = nearest_shares(far, classifier, eight_bit=True)
    assert found * 45 == pytest.approx(np.round(found * 45), abs=1e-3)
    assert found[0] == pytest.approx(36 / 45)


def test_samples_are_of_turned_images_and_repeatable(examples: Examples) -> None:
    examples["success"][0] = 0
    examples["original_prediction"][1] = 3
    examples["distortion"][2] = 0
    assert sample_found(examples, 100, seed=0).tolist() == [3, 4, 5, 6, 7]
    drawn = {tuple(sample_found(examples, 2, seed=seed).tolist()) for seed in range(20)}
    assert len(drawn) > 3
    assert all(first < second for first, second in drawn)
    assert sample_found(examples, 2, 1).tolist() == sample_found(examples, 2, 1).tolist()


def test_a_summary_is_compared_but_for_what_was_timed(examples: Examples) -> None:
    summary = summarize_distortions(examples, seconds=3.0)
    assert summary_differences(examples, summary) == []
    assert summary_differences(examples, {**summary, "seconds": 9}) == []
    assert summary_differences(examples, {}) == [f"summary: {name} is missing" for name in summary]
    others = {**summary, "success_rate": True, "seconds": "x", "more": 1}
    assert summary_differences(examples, others) == [
        "summary: success_rate is True; recomputed 1.0",
        "summary: seconds is x; expected a number",
        "summary: more is unknown",
    ]
    forged = {**summary, "mean_distortion": 0.13, "statuses": {"converged": 7}}
    assert summary_differences(examples, forged) == [
        "summary: mean_distortion is 0.13; recomputed 0.1328125",
        "summary: statuses is {'converged': 7}; recomputed {'converged': 8}",
    ]
    quantiles = {**summary["quantiles"], "0.5": 0.1}
    (line,) = summary_differences(examples, {**summary, "quantiles": quantiles})
    assert line.startswith("summary: quantiles is {")


def test_a_card_without_its_warning_is_found(examples: Examples, classifier: Classifier) -> None:
    from tfblindspots.analysis import check_model, make_quality_card

    examples["status"][:3] = "evaluation limit"
    checks = check_model(classifier, examples["original"], examples["label"], examples["target"])
    card = make_quality_card(examples, checks)
    assert warning_differences(examples, card) == []
    silent = {**card, "warnings": [w for w in card["warnings"] if w["id"] != "evaluation_limit"]}
    assert warning_differences(examples, silent) == [
        "quality card: evaluation_limit of 0 examples; recomputed 3"
    ]
    examples["status"][0] = "converged"
    assert warning_differences(examples, card) == [
        "quality card: evaluation_limit of 3 examples; recomputed 2"
    ]
    absurd = {**card, "checks": {**checks, "checked": 9, "zero_gradients": 10}}
    assert warning_differences(examples, absurd) == [
        "quality card: checked is 9; expected at most 8",
        "quality card: zero_gradients is 10; expected at most 9",
    ]
    examples["original_prediction"][2] = 0
    assert warning_differences(examples, card)[-1] == (
        "quality card: images that were not attacked have the status of a search"
    )


def test_originals_are_compared_bit_by_bit(examples: Examples) -> None:
    images, labels = np.full((20, 2, 3, 1), 0.375, np.float32), np.ones(20, np.int64)
    images[17], examples["original"][7] = 0.0, -0.0
    (found,) = original_violations(examples, images, labels, np.arange(20))
    assert (found.claim, found.numbers.tolist()) == ("original", [7])
