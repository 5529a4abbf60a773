"""Derivatives of the distance term against automatic differentiation."""

import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.solvers.distances import DISTANCES, NONE, Distance, WeightedDistance

_PHIS = {**DISTANCES, "none": NONE}


@pytest.mark.parametrize("phi", _PHIS.values(), ids=_PHIS)
def test_derivatives_agree_with_automatic_ones(phi: Distance) -> None:
    rng = np.random.default_rng(0)
    original, x, step = (tf.constant(rng.normal(size=(5, 7)), tf.float32) for _ in range(3))
    weighted = WeightedDistance(phi, tf.constant([0.1, 1.0, 3.0, 10.0, 0.5]), original)
    with tf.autodiff.ForwardAccumulator(x, step) as forward:
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = weighted.value(x)
        gradient = tape.gradient(value, x)
    if gradient is None:
        gradient, product = tf.zeros_like(x), tf.zeros_like(x)
    else:
        product = forward.jvp(gradient)
    np.testing.assert_allclose(weighted.gradient(x), gradient, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(weighted.curvature(x, step), product, rtol=1e-4, atol=1e-5)


def test_stiffness_is_the_largest_eigenvalue() -> None:
    rng = np.random.default_rng(1)
    r = tf.constant(rng.normal(size=(1, 6)), tf.float32)
    for phi in DISTANCES.values():
        basis = [phi.curvature(r, tf.constant(np.eye(6)[None, i], tf.float32))[0] for i in range(6)]
        largest = np.linalg.eigvalsh(np.array(basis)).max()
        np.testing.assert_allclose(phi.stiffness(r)[0], largest, rtol=1e-5)


def test_l2_is_finite_at_its_kink() -> None:
    zero = tf.zeros([2, 3])
    phi = DISTANCES["l2"]
    for part in (
        phi.value(zero),
        phi.gradient(zero),
        phi.curvature(zero, zero + 1),
        phi.stiffness(zero),
    ):
        assert np.isfinite(part).all()
