"""What the attack finds, against closed forms and SciPy."""

import numpy as np
import pytest
import scipy.optimize
from numpy.testing import assert_allclose

from tests.attacks.conftest import Linear, make_linear
from tfblindspots.attacks import AttackConfig, find_adversarial_examples
from tfblindspots.models import Classifier, predict_classes


def _nearest_beyond_plane(x: np.ndarray, normal: np.ndarray, offset: float) -> np.ndarray:
    """The nearest point of the unit box with normal . x <= offset: clip(x - t normal)."""

    def excess(t: float) -> float:
        return normal @ np.clip(x - t * normal, 0, 1) - offset

    return np.clip(x - scipy.optimize.brentq(excess, 0, 1e3, xtol=1e-12) * normal, 0, 1)


def _nearest_of_class(x: np.ndarray, model: Linear, target: int) -> float:
    """L2 distance to the region of a class inside the box: a convex programme."""
    others = [k for k in range(len(model.biases)) if k != target]
    rows = (model.weights[:, [target]] - model.weights[:, others]).T.astype(float)
    gaps = (model.biases[target] - model.biases[others]).astype(float)
    starts = [x, np.full_like(x, 0.5), np.clip(rows.sum(0), 0, 1)]
    results = [
        scipy.optimize.minimize(
            lambda y: np.sum((y - x) ** 2),
            start,
            jac=lambda y: 2 * (y - x),
            bounds=[(0, 1)] * len(x),
            constraints={"type": "ineq", "fun": lambda y: rows @ y + gaps, "jac": lambda y: rows},
            method="SLSQP",
            options={"ftol": 1e-12, "maxiter": 500},
        )
        for start in starts
    ]
    return min(np.sqrt(result.fun) for result in results if result.success)


@pytest.mark.parametrize("norm", ["squared_l2", "l2"])
def test_two_classes_meet_at_a_plane(images: np.ndarray, norm: str) -> None:
    model = make_linear(2, seed=1)
    labels = model.predict(images)
    found = find_adversarial_examples(
        model.classifier, images, labels, AttackConfig(target="untargeted", norm=norm)
    )
    normal = (model.weights[:, 0] - model.weights[:, 1]).astype(float)
    offset = float(model.biases[1] - model.biases[0])
    for x, label, l2 in zip(images.reshape(60, 16), labels, found.l2, strict=True):
        sign = 1 if label == 0 else -1
        nearest = _nearest_beyond_plane(x.astype(float), sign * normal, sign * offset)
        assert_allclose(l2, np.linalg.norm(nearest - x), rtol=1e-2)
    assert found.success.all()


def test_each_class_of_a_linear_model(linear: Linear, images: np.ndarray) -> None:
    labels = linear.predict(images)
    found = find_adversarial_examples(linear.classifier, images, labels, AttackConfig())
    exact = [
        _nearest_of_class(x.astype(float), linear, target)
        for x, target in zip(images.reshape(60, 16), found.target, strict=True)
    ]
    assert found.success.all()
    assert (found.l2 > np.array(exact) * (1 - 1e-4)).all()
    # Where three classes compete the last stage's loss is not yet the margin itself.
    assert_allclose(found.l2.mean(), np.mean(exact), rtol=0.01)


def test_all_targets_keeps_the_nearest(linear: Linear, images: np.ndarray) -> None:
    labels = linear.predict(images)
    every = find_adversarial_examples(linear.classifier, images, labels, AttackConfig("all"))
    nearest = [
        min(_nearest_of_class(x.astype(float), linear, k) for k in range(5) if k != label)
        for x, label in zip(images.reshape(60, 16), labels, strict=True)
    ]
    assert_allclose(every.l2, nearest, rtol=0.05)
    assert_allclose(every.l2.mean(), np.mean(nearest), rtol=0.003)
    assert (every.prediction == every.target).all()


def test_a_curved_boundary_is_met_as_near_as_scipy_meets_it(
    network: Classifier, images: np.ndarray
) -> None:
    """SciPy's L-BFGS-B with 12 values of c, an image at a time: the paper's method."""
    from benchmarks.scipy_attack import attack_one

    labels = predict_classes(network, images)
    found = find_adversarial_examples(network, images, labels, AttackConfig())
    some = range(12)
    oracle = [
        attack_one(network, images[i], int(labels[i]), int(found.target[i]), values=12).l2
        for i in some
    ]
    assert found.success.all()
    assert found.l2[:12].mean() <= 1.001 * np.mean(oracle)


@pytest.mark.parametrize("target", ["random", "untargeted", "most_likely", "least_likely", "2"])
def test_claims_are_true_of_the_stored_pixels(
    network: Classifier, images: np.ndarray, target: str
) -> None:
    labels = predict_classes(network, images)
    keep = labels != 2 if target == "2" else labels >= 0
    before = images.copy()
    found = find_adversarial_examples(
        network, images[keep], labels[keep], AttackConfig(target=target)
    )
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(found.original, images[keep])
    assert found.image.dtype == np.float32
    assert found.image.min() >= 0 and found.image.max() <= 1
    prediction = predict_classes(network, found.image)
    np.testing.assert_array_equal(found.prediction, prediction)
    wanted = prediction != labels[keep] if target == "untargeted" else prediction == found.target
    np.testing.assert_array_equal(found.success, wanted)
    assert found.success.all()
    assert (found.prediction != found.label).all()
    change = (found.image - found.original).reshape(len(found.image), -1)
    assert_allclose(found.l2, np.linalg.norm(change, axis=1), rtol=1e-5)
    assert_allclose(found.distortion, np.sqrt((change**2).mean(1)), rtol=1e-5)
    assert_allclose(found.linf, np.abs(change).max(1), rtol=1e-6)
    assert (found.c > 0).all()
    assert (found.evaluations <= 200).all()


def test_the_weight_at_the_boundary_balances_the_gradients(
    network: Classifier, images: np.ndarray
) -> None:
    """Both norms meet the same boundary: 2 c ||r|| of the square is c of |r| (stationarity)."""
    labels = predict_classes(network, images)
    square = find_adversarial_examples(network, images, labels, AttackConfig("untargeted"))
    plain = find_adversarial_examples(
        network, images, labels, AttackConfig("untargeted", norm="l2")
    )
    assert_allclose(plain.l2.mean(), square.l2.mean(), rtol=1e-2)
    ratio = plain.c / (2 * square.c * square.l2)
    assert_allclose(np.median(ratio), 1, rtol=0.1)
