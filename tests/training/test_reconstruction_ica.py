"""Reconstruction ICA finds sources whose mixing is known, and minimises what it says."""

import numpy as np
import pytest

from tfblindspots.errors import InputError
from tfblindspots.models import L2Pooling2D, LocallyConnected2D
from tfblindspots.training.reconstruction_ica import RicaConfig, learn_filters, rica_terms

_CONFIG = RicaConfig(
    centre=True,
    kept_variance=1.0,
    whitening=0.0,
    initial="random",
    reconstruction_weight=5.0,
    steps=1600,
)


@pytest.fixture(scope="module")
def mixed() -> tuple[np.ndarray, list[np.ndarray]]:
    """Independent Laplacian sources, mixed by another matrix at each of two positions."""
    random = np.random.default_rng(0)
    sources = random.laplace(size=(3000, 1, 2, 5))
    mixings = [random.normal(size=(5, 5)) for _ in range(2)]
    images = np.stack(
        [sources[:, :, position] @ mixing.T for position, mixing in enumerate(mixings)], axis=2
    )
    return (images + 3).astype(np.float32), mixings


def test_it_recovers_independent_sources(mixed: tuple[np.ndarray, list[np.ndarray]]) -> None:
    images, mixings = mixed
    filtering = LocallyConnected2D(5, 1)
    curve = learn_filters(images, filtering, L2Pooling2D(1, 1, 1e-2), _CONFIG, seed=0)
    assert len(curve) == _CONFIG.steps
    for position, mixing in enumerate(mixings):
        # From sources to responses: a permutation with signs, up to the accuracy of 3,000 samples.
        response = np.abs(filtering.kernel.numpy()[0, position].T @ mixing)
        response /= np.linalg.norm(response, axis=1, keepdims=True)
        assert sorted(response.argmax(axis=1)) == [0, 1, 2, 3, 4]
        assert response.max(axis=1).min() > 0.97
    # Centred: the mean of what the filters answer is 0.
    np.testing.assert_allclose(filtering(images).numpy().mean(axis=0), 0, atol=0.01)


def test_whitened_responses_have_unit_variance_where_filters_are_orthonormal(
    mixed: tuple[np.ndarray, list[np.ndarray]],
) -> None:
    filtering = LocallyConnected2D(5, 1)
    config = RicaConfig(True, 1.0, 0.0, "units", 5.0, steps=0)
    learn_filters(mixed[0], filtering, L2Pooling2D(1, 1), config, seed=0)
    responses = filtering(mixed[0]).numpy()
    for position in range(2):
        covariance = np.cov(responses[:, 0, position].T)
        np.testing.assert_allclose(covariance, np.eye(5), atol=1e-2)


def test_components_beyond_the_kept_variance_are_left_out() -> None:
    random = np.random.default_rng(0)
    images = random.normal(size=(2000, 1, 1, 4)) * [10, 5, 0.1, 0.1]
    filtering = LocallyConnected2D(4, 1)
    config = RicaConfig(True, 0.99, 0.0, "units", 5.0, steps=0)
    learn_filters(images.astype(np.float32), filtering, L2Pooling2D(1, 1), config, seed=0)
    kernel = np.abs(filtering.kernel.numpy()[0, 0])
    assert np.linalg.matrix_rank(kernel, tol=1e-4) == 2
    assert kernel[2:].max() < 0.02 * kernel.max()


def test_the_terms_are_those_of_the_paper() -> None:
    random = np.random.default_rng(0)
    white = random.normal(size=(3, 2, 2, 4)).astype(np.float32)
    weights = random.normal(size=(2, 2, 4, 6)).astype(np.float32)
    reconstruction, sparsity = rica_terms(white, weights, L2Pooling2D(2, 1, 0.1))
    errors, pools = [], []
    for image in white:
        responses = np.stack([[weights[i, j].T @ image[i, j] for j in range(2)] for i in range(2)])
        errors += [
            np.sum((weights[i, j] @ responses[i, j] - image[i, j]) ** 2)
            for i, j in np.ndindex(2, 2)
        ]
        pools.append(np.sqrt(0.1 + np.square(responses).sum(axis=(0, 1))).sum())
    assert float(reconstruction) == pytest.approx(np.mean(errors), rel=1e-4)
    assert float(sparsity) == pytest.approx(np.mean(pools), rel=1e-4)


def test_the_same_seed_gives_the_same_filters(
    mixed: tuple[np.ndarray, list[np.ndarray]],
) -> None:
    kernels = []
    for seed in (0, 0, 1):
        filtering = LocallyConnected2D(3, 1)
        config = RicaConfig(True, 1.0, 0.0, "random", 5.0, steps=4)
        learn_filters(mixed[0], filtering, L2Pooling2D(1, 1), config, seed=seed)
        kernels.append(filtering.kernel.numpy())
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.allclose(kernels[0], kernels[2], atol=1e-3)


def test_a_divergence_ends_it(mixed: tuple[np.ndarray, list[np.ndarray]]) -> None:
    config = RicaConfig(True, 1.0, 0.0, "units", np.inf, steps=4)
    filtering = LocallyConnected2D(2, 1, name="filters_1")
    with pytest.raises(InputError, match="Training filters_1 diverged: its loss is nan after 2"):
        learn_filters(mixed[0], filtering, L2Pooling2D(1, 1), config, seed=0)
