"""A stage: its floor is its images' mean contrast, and its layers are applied in turn."""

import numpy as np
import pytest

from tfblindspots.models import Stage
from tfblindspots.training import apply_layers, learn_stage


def test_the_floor_is_the_mean_deviation() -> None:
    images = np.random.default_rng(0).random((120, 9, 9, 2), np.float32)
    learnt = learn_stage(images, 1, Stage(4, 1, 6, 2, 2, 3), steps=6, seed=0)
    filters, pools, normalization = learnt.layers
    assert [layer.name for layer in learnt.layers] == ["filters_1", "pooling_1", "normalization_1"]
    assert len(learnt.curve) == 6
    pooled = pools(filters(images))
    assert normalization.floor == pytest.approx(
        float(np.mean(normalization.deviation(pooled))), rel=1e-4
    )
    np.testing.assert_allclose(
        apply_layers(learnt.layers, images), normalization(pooled), atol=1e-4
    )
    assert filters.kernel.numpy().any()


def test_stages_and_seeds_differ() -> None:
    images = np.random.default_rng(0).random((120, 4, 4, 2), np.float32)
    stage = Stage(2, 1, 6, 2, 1, 3)
    first, again, other = (
        learn_stage(images, 2, stage, steps=2, seed=seed).layers[0].kernel.numpy()
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
