"""8-bit images: what is claimed of them is true, and they are not much farther than floats."""

import itertools
import re
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from tests.attacks.conftest import make_classifier
from tfblindspots.analysis import prediction_violations, success_violations
from tfblindspots.attacks import (
    AdversarialExamples,
    AttackConfig,
    find_adversarial_examples,
    float_attack,
)
from tfblindspots.attacks.eight_bit import find_eight_bit
from tfblindspots.attacks.examples import FloatExamples
from tfblindspots.data import from_uint8, round_to_uint8
from tfblindspots.errors import InputError
from tfblindspots.models import Classifier, predict_classes, predict_logits

UNTARGETED = AttackConfig("untargeted")


@pytest.fixture(scope="module")
def labels(network: Classifier, images: np.ndarray) -> np.ndarray:
    return predict_classes(network, images)


@pytest.fixture(scope="module")
def found(network: Classifier, images: np.ndarray, labels: np.ndarray) -> AdversarialExamples:
    """Floats, of no grey levels in particular; some misclassified to begin with."""
    wrong = labels.copy()
    wrong[::10] = (wrong[::10] + 1) % 5
    return find_adversarial_examples(network, images, wrong)


def test_bytes_are_what_is_claimed(network: Classifier, found: AdversarialExamples) -> None:
    levels = found.image_uint8
    assert levels.dtype == np.uint8 and levels.shape == found.original.shape
    image = levels.astype(np.float32) / np.float32(255)
    assert_array_equal(from_uint8(levels), image)
    assert_array_equal(found.prediction_uint8, predict_classes(network, image))
    change = (image.astype(np.float64) - found.original).reshape(len(levels), -1)
    assert_allclose(found.distortion_uint8, np.sqrt(np.square(change).mean(axis=1)), rtol=1e-6)
    attacked = found.label == found.original_prediction
    reached = np.where(
        attacked, found.prediction_uint8 == found.target, found.prediction_uint8 != found.label
    )
    assert_array_equal(found.success_uint8 == 1, reached)
    assert found.success_uint8.all()
    # Rounding alone costs 0.29 of a level; the boundary is some 30 levels away.
    ratio = found.distortion_uint8[attacked] / found.distortion[attacked]
    assert ratio.mean() < 1.01


def test_misclassified_images_are_only_rounded(found: AdversarialExamples) -> None:
    assert_array_equal(found.image_uint8[::10], round_to_uint8(found.original[::10]))


def test_company_does_not_matter(
    network: Classifier, images: np.ndarray, labels: np.ndarray
) -> None:
    together = find_adversarial_examples(network, images, labels, UNTARGETED)
    order = np.random.default_rng(0).permutation(len(images))
    shuffled = find_adversarial_examples(network, images[order], labels[order], UNTARGETED)
    assert_allclose(shuffled.distortion_uint8, together.distortion_uint8[order], rtol=1e-3)
    assert_array_equal(shuffled.prediction_uint8, together.prediction_uint8[order])
    few = find_adversarial_examples(
        network, images[:9], labels[:9], AttackConfig("untargeted", batch_size=4)
    )
    assert few.success_uint8.all()
    assert_allclose(few.distortion_uint8, together.distortion_uint8[:9], rtol=1e-2)


@pytest.fixture(scope="module")
def flat() -> Classifier:
    """A linear model of 2 x 2 images."""
    weights = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
    return make_classifier(lambda x: (tf.reshape(x, [-1, 4]) - 0.5) @ weights, (2, 2, 1), 2)


def test_near_the_nearest_of_all_where_few_levels_matter(flat: Classifier) -> None:
    """Brute force over the lattice, with the boundary a few levels away."""
    rng = np.random.default_rng(1)
    images = from_uint8(rng.integers(0, 256, (2000, 2, 2, 1)).astype(np.uint8))
    difference = flat.logits(tf.constant(np.eye(4, dtype=np.float32).reshape(4, 2, 2, 1)))
    weights = (difference[:, 0] - difference[:, 1]).numpy()
    # The images of unit vectors are off by the bias, of which a plane has one.
    zero = flat.logits(tf.zeros([1, 2, 2, 1])).numpy()[0]
    weights -= zero[0] - zero[1]
    margins = images.reshape(-1, 4) @ weights + zero[0] - zero[1]
    levels_away = 255 * np.abs(margins) / np.linalg.norm(weights)
    near = np.flatnonzero((levels_away > 0.3) & (levels_away < 4))[:40]
    assert near.size > 15
    labels = predict_classes(flat, images[near])
    plain = find_adversarial_examples(flat, images[near], labels, UNTARGETED)
    direct = find_adversarial_examples(
        flat, images[near], labels, AttackConfig("untargeted", bits=8)
    )
    steps = np.array(list(itertools.product(range(-8, 9), repeat=4)))
    length = np.linalg.norm(steps, axis=1)
    nearest = []
    for image, margin in zip(images[near].reshape(-1, 4), margins[near], strict=True):
        at = 255 * image.astype(np.float64) + steps
        across = np.abs(margin) + np.sign(margin) * (steps @ weights) / 255 < 0
        nearest.append(length[across & ((at > -0.1) & (at < 255.1)).all(axis=1)].min())
    for examples in (plain, direct):
        assert examples.success_uint8.all()
        ratio = 255 * 2 * examples.distortion_uint8 / np.array(nearest)
        assert ratio.min() > 0.999
        assert ratio.mean() < 1.1
    assert (direct.distortion_uint8 <= plain.distortion_uint8).all()


def test_bits_8_is_an_attack_for_8_bit_images(
    network: Classifier, images: np.ndarray, labels: np.ndarray
) -> None:
    plain = find_adversarial_examples(network, images, labels, UNTARGETED)
    found = find_adversarial_examples(network, images, labels, AttackConfig("untargeted", bits=8))
    assert_array_equal(found.image, from_uint8(found.image_uint8))
    for name in ("prediction", "success", "distortion"):
        assert_array_equal(getattr(found, name), getattr(found, f"{name}_uint8"))
    change = (found.image.astype(np.float64) - images).reshape(len(images), -1)
    assert_allclose(found.l2, np.linalg.norm(change, axis=1), rtol=1e-5)
    assert_allclose(found.linf, np.abs(change).max(axis=1), rtol=1e-5)
    assert (found.distortion <= plain.distortion_uint8).all()
    assert (found.status == "converged").all()


def _float_examples(classifier: Classifier, images: np.ndarray, **changed: object) -> FloatExamples:
    """Images that no attack has changed."""
    count = len(images)
    prediction = predict_classes(classifier, images)
    numbers, zeros = np.zeros(count, np.int64), np.zeros(count, np.float32)
    fields = {
        "image": images,
        "original": images,
        "label": prediction,
        "original_prediction": prediction,
        "prediction": prediction,
        "target": numbers - 1,
        "success": numbers,
        "index": numbers,
        "c": zeros,
        "distortion": zeros,
        "l2": zeros,
        "linf": zeros,
        "evaluations": numbers,
        "status": np.full(count, "", dtype=object),
    }
    return FloatExamples(**fields | changed)  # type: ignore[arg-type]


def test_an_image_without_an_adversarial_one_is_rounded_and_no_success(
    network: Classifier, images: np.ndarray
) -> None:
    found = find_eight_bit(network, _float_examples(network, images), UNTARGETED)
    assert_array_equal(found.image_uint8, round_to_uint8(images))
    assert_array_equal(
        found.success_uint8 == 1, found.prediction_uint8 != predict_classes(network, images)
    )


def test_an_error_that_rounding_would_mend_is_searched() -> None:
    """The class turns between two grey levels, and rounding takes the image back."""
    threshold = np.float32(100.2 / 255)

    def logits(batch: tf.Tensor) -> tf.Tensor:
        mean = tf.reduce_mean(tf.reshape(batch, [-1, 4]), axis=1, keepdims=True)
        return tf.concat([threshold - mean, mean - threshold], axis=1)

    model = make_classifier(logits, (2, 2, 1), 2)
    images = np.full((3, 2, 2, 1), 100.3 / 255, np.float32)
    examples = find_adversarial_examples(model, images, np.zeros(3, int), UNTARGETED)
    assert (examples.status == "already misclassified").all() and (examples.distortion == 0).all()
    assert examples.success_uint8.all()
    # One pixel of four at 101.
    assert_array_equal(np.sort(examples.image_uint8.reshape(3, 4)), [[100, 100, 100, 101]] * 3)


def test_where_no_8_bit_image_is_adversarial_it_says_so() -> None:
    """Adversarial is a sliver between two grey levels."""

    def logits(batch: tf.Tensor) -> tf.Tensor:
        offset = 255 * tf.reshape(batch, [-1, 1]) - 100.5
        return tf.concat([offset**2, tf.fill(tf.shape(offset), 0.04)], axis=1)

    model = make_classifier(logits, (1, 1, 1), 2)
    images = np.full((2, 1, 1, 1), 102 / 255, np.float32)
    for bits in (None, 8):
        config = AttackConfig("untargeted", bits=bits)
        found = find_adversarial_examples(model, images, np.zeros(2, int), config)
        assert_array_equal(found.success_uint8, [0, 0])
        assert_array_equal(found.image_uint8.ravel(), [102, 102])
        assert_array_equal(found.success, [0, 0] if bits else [1, 1])
    assert (found.status == "no adversarial image found").all()
    assert_array_equal(found.image, from_uint8(found.image_uint8))


def test_other_bits_are_rejected() -> None:
    with pytest.raises(InputError, match=re.escape("bits is 16; expected 8, or None for floats.")):
        AttackConfig(bits=16)


class _Holes:
    """A model that returns NaN for the class of images where ``hole`` says so."""

    def __init__(self, base: Classifier, hole: Callable[[tf.Tensor], tf.Tensor]) -> None:
        self._base, self._hole = base, hole

    def __call__(self, batch: tf.Tensor) -> tf.Tensor:
        logits = self._base.logits(batch)
        top = tf.argmax(logits, axis=1)[:, None] == tf.range(logits.shape[1], dtype=tf.int64)
        return tf.where(top & self._hole(batch)[:, None], np.nan, logits)


def _is_of_levels(batch: tf.Tensor) -> tf.Tensor:
    levels = 255 * batch
    return tf.reduce_all(tf.abs(levels - tf.round(levels)) < 1e-3, axis=(1, 2, 3))


@pytest.mark.parametrize("bits", [None, 8])
def test_what_the_model_does_not_answer_is_no_success(
    network: Classifier, images: np.ndarray, bits: int | None
) -> None:
    """NaN for the largest logit of every image of grey levels: another class has the next."""
    some = images[:12]
    model = make_classifier(_Holes(network, _is_of_levels), (4, 4, 1), 5)
    labels = predict_classes(model, some)
    assert not np.isnan(predict_logits(model, some)).any()
    found = find_adversarial_examples(model, some, labels, AttackConfig("untargeted", bits=bits))
    answer = predict_logits(model, from_uint8(found.image_uint8))
    assert np.isnan(answer).any(axis=1).all()
    assert not found.success_uint8.any()
    assert_array_equal(found.image_uint8, round_to_uint8(some))
    assert_array_equal(
        found.prediction_uint8, predict_classes(model, from_uint8(found.image_uint8))
    )
    assert (found.prediction_uint8 != labels).all()
    assert found.success.all() == (bits is None)
    fields = found._asdict()
    assert success_violations(fields) == prediction_violations(fields, model) == []


def test_a_float_image_that_is_not_answered_is_none(
    network: Classifier, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The compiled search meets numbers, what is stored NaN, as when another kernel overflows."""
    some = images[:6]
    labels = predict_classes(network, some)

    def answer(classifier: Classifier, batch: np.ndarray) -> np.ndarray:
        logits = predict_logits(classifier, batch)
        logits[(batch != some).any(axis=(1, 2, 3)), 0] = np.nan
        return logits

    monkeypatch.setattr(float_attack, "predict_logits", answer)
    found = float_attack.find_float_examples(network, some, labels, UNTARGETED)
    assert not found.success.any() and (found.status == "not finite").all()
    assert (found.evaluations > 0).all() and not found.c.any()
    assert_array_equal(found.image, some)
    assert_array_equal(found.prediction, labels)
