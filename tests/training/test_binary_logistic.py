"""Logistic regression: its loss is stationary where it stops, classes weigh alike."""

import numpy as np
import pytest

from tfblindspots.errors import InputError
from tfblindspots.training import fit_binary_logistic


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = (random.random(2000) < 0.1).astype(np.int64)
    features = random.normal(size=(2000, 6)) * [1, 10, 0.1, 1, 1, 0] + [0, 5, 0, 0, 0, 7]
    features[:, :2] += labels[:, None] * [1, 10]
    return features.astype(np.float32), labels


def test_the_loss_is_stationary(data: tuple[np.ndarray, np.ndarray]) -> None:
    features, labels = data
    fitted = fit_binary_logistic(features, labels, [0.01], seed=0)
    logits = features.astype(np.float64) @ fitted.kernel + fitted.bias
    log_odds = logits[:, 1] - logits[:, 0]
    # Gradient of the mean cross-entropy, each class weighing a half, of what was standardised.
    weights = np.where(labels == 1, 0.5 / labels.mean(), 0.5 / (1 - labels.mean()))
    errors = weights * (1 / (1 + np.exp(-log_odds)) - labels)
    deviation = features.std(axis=0)
    varies = deviation > 1e-6
    standardised = (features - features.mean(axis=0))[:, varies] / deviation[varies]
    slope = ((fitted.kernel[:, 1] - fitted.kernel[:, 0]) * deviation)[varies]
    gradient = standardised.T @ errors / len(labels) + 0.01 * slope
    assert np.abs(gradient).max() < 2e-3
    assert abs(errors.mean()) < 2e-3
    assert (fitted.kernel[~varies] == 0).all() and (~varies).sum() == 1
    assert np.linalg.norm(slope) > 0.5


def test_the_rare_class_is_not_given_up(data: tuple[np.ndarray, np.ndarray]) -> None:
    features, labels = data
    fitted = fit_binary_logistic(features, labels, [0.01, 1.0], seed=0)
    answers = (features @ fitted.kernel + fitted.bias).argmax(axis=1)
    recalls = [np.mean(answers[labels == label] == label) for label in (0, 1)]
    # Two means sqrt(2) standard deviations apart: Phi(0.707) = 0.760 of each class.
    assert np.mean(recalls) == pytest.approx(0.760, abs=0.03)
    assert abs(recalls[0] - recalls[1]) < 0.08


def test_the_weight_decay_is_the_best_on_held_out_images() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], 150)
    # Far more features than images, one of which tells something.
    features = random.normal(size=(300, 400)).astype(np.float32)
    features[:, 0] += 2 * labels
    fitted = fit_binary_logistic(features, labels, [1e-4, 1.0, 1e6], seed=0)
    assert fitted.held_out == 30
    assert list(fitted.validation) == [1e6, 1.0, 1e-4]
    assert fitted.validation[fitted.weight_decay] == max(fitted.validation.values())
    again = fit_binary_logistic(features, labels, [1e-4, 1.0, 1e6], seed=0)
    np.testing.assert_array_equal(fitted.kernel, again.kernel)


def test_too_few_images_are_refused() -> None:
    labels = np.repeat([0, 1], [50, 9])
    message = "a class has 9 images to learn from; expected at least 10 of each"
    with pytest.raises(InputError, match=message):
        fit_binary_logistic(np.zeros((59, 2), np.float32), labels, [1.0], seed=0)
