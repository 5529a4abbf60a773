"""The loss and the margin against their definitions in double precision."""

import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from tfblindspots.attacks.objectives import Goal, margin_and_loss

LOGITS = np.random.default_rng(0).normal(scale=4, size=(40, 7))
LABELS = np.random.default_rng(1).integers(0, 7, 40)
TARGETS = (LABELS + 3) % 7


def _measure(logits: np.ndarray, targets: np.ndarray, k: float) -> tuple[np.ndarray, np.ndarray]:
    goal = Goal(tf.constant(LABELS, tf.int64), tf.constant(targets, tf.int64))
    margin, loss = margin_and_loss(tf.constant(logits, tf.float32), goal, tf.fill([len(logits)], k))
    return margin.numpy(), loss.numpy()


@pytest.mark.parametrize("k", [1.0, 4.0])
def test_targeted_loss_is_the_cross_entropy_of_the_sharpened_softmax(k: float) -> None:
    _, loss = _measure(LOGITS, TARGETS, k)
    expected = -scipy.special.log_softmax(k * LOGITS, axis=1)[np.arange(40), TARGETS] / k
    np.testing.assert_allclose(loss, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("k", [1.0, 4.0])
def test_untargeted_loss_is_minus_the_logarithm_of_not_being_the_label(k: float) -> None:
    _, loss = _measure(LOGITS, np.full(40, -1), k)
    others = scipy.special.softmax(k * LOGITS, axis=1)
    others[np.arange(40), LABELS] = 0
    np.testing.assert_allclose(loss, -np.log(others.sum(1)) / k, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("targets", [TARGETS, np.full(40, -1)], ids=["targeted", "untargeted"])
def test_the_margin_is_negative_only_where_the_attack_has_succeeded(targets: np.ndarray) -> None:
    margin, _ = _measure(LOGITS, targets, 1.0)
    predictions = LOGITS.argmax(1)
    succeeded = np.where(targets >= 0, predictions == targets, predictions != LABELS)
    np.testing.assert_array_equal(margin < 0, succeeded)


def test_a_tie_is_no_success() -> None:
    margin, _ = _measure(np.zeros((40, 7)), np.full(40, -1), 1.0)
    assert (margin >= 0).all()
    barely = np.zeros((40, 7))
    barely[np.arange(40), TARGETS] = 1e-7  # within rounding of another runtime
    barely[:, 6] -= 1.0
    assert (_measure(barely, TARGETS, 1.0)[0] > 0).all()


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_extreme_logits_give_finite_losses_and_gradients(scale: float) -> None:
    logits = tf.constant(scale * LOGITS, tf.float32)
    goal = Goal(tf.constant(LABELS, tf.int64), tf.constant(TARGETS, tf.int64))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        margin, loss = margin_and_loss(logits, goal, tf.fill([40], 4.0))
    assert np.isfinite(loss).all() and np.isfinite(margin).all()
    assert np.isfinite(tape.gradient(loss, logits)).all()
