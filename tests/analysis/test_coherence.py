"""Measures of likeness by counting and by sums over pairs; tests on what is known to differ."""

import itertools

import numpy as np
import pytest

from tfblindspots.analysis import compare, label_coherence, mean_cosine_similarity


def test_purity_and_entropy() -> None:
    labels = np.array([[3, 3, 3, 3], [0, 1, 2, 3], [5, 5, 7, 7], [1, 1, 1, 2]])
    found = label_coherence(labels, 10)
    np.testing.assert_allclose(found["purity"], [1, 0.25, 0.5, 0.75])
    quarter = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    np.testing.assert_allclose(found["entropy"], [0, 2, 1, quarter], atol=1e-12)


def test_similarity_is_the_mean_over_pairs() -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(30, 7)).astype(np.float32)
    features[4] = 0
    top = np.array([[0, 1, 2, 3], [4, 5, 6, 7], [9, 9 + 1, 11, 4]])
    found = mean_cosine_similarity(features.__getitem__, top)
    for row, value in zip(top, found, strict=True):
        pairs = []
        for i, j in itertools.combinations(row, 2):
            norms = np.linalg.norm(features[i]) * np.linalg.norm(features[j])
            pairs.append(features[i] @ features[j] / norms if norms else 0.0)
        assert value == pytest.approx(np.mean(pairs), abs=1e-6)


def test_a_difference_is_found_with_its_size() -> None:
    generator = np.random.default_rng(0)
    units, directions = generator.normal(1.0, 1, 80), generator.normal(0.0, 1, 300)
    found = compare(units, directions, seed=0)
    assert found["units"] == pytest.approx(units.mean())
    assert found["difference"] == pytest.approx(units.mean() - directions.mean())
    assert found["low"] < found["difference"] < found["high"]
    # Half the width of Welch's interval, which the bootstrap should come near to.
    half = 1.96 * np.sqrt(units.var() / 80 + directions.var() / 300)
    assert found["high"] - found["low"] == pytest.approx(2 * half, rel=0.1)
    assert found["p_value"] == pytest.approx(0.0002)
    pairs = np.sign(units[:, None] - directions)
    assert found["effect_size"] == pytest.approx(pairs.mean())


def test_no_difference_is_not_found() -> None:
    values = np.random.default_rng(3).normal(size=(2, 100))
    found = compare(values[0], values[1], seed=1)
    assert found["p_value"] > 0.05
    assert found["low"] < 0 < found["high"]
    assert compare(values[0], values[1], seed=1) == found


def test_constant_measures_do_not_differ() -> None:
    found = compare(np.ones(5), np.ones(9), seed=0)
    assert (found["difference"], found["effect_size"], found["p_value"]) == (0, 0, 1)
