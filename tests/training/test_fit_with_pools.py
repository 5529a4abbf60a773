"""Training with pools, weight decay and dropout."""

import functools

import numpy as np
import pytest

from tfblindspots.data import ImageDataset, load_dataset
from tfblindspots.errors import InputError
from tfblindspots.models import get_definition
from tfblindspots.training import AdversarialPool, LayerChain, PoolConfig, TrainingResult
from tfblindspots.training.fit_with_pools import Regularization, fit_with_pools

NONE = Regularization()
MODEL = "fc20-12-10"
POOL = PoolConfig(size=60, renewal=40, interval=4)


@pytest.fixture(scope="module")
def digits() -> ImageDataset:
    return load_dataset("digits", "train[:300]")


@functools.cache
def untrained(model: str) -> tuple[LayerChain, list[np.ndarray]]:
    """A network, which ``fit`` trains, with what is compiled for it; and its first weights."""
    chain = LayerChain(get_definition(model).build((8, 8, 1), 10, 0))
    return chain, chain.model.get_weights()


def fit(
    digits: ImageDataset,
    layers: tuple[str, ...] = (),
    regularization: Regularization = NONE,
    *,
    seed: int = 0,
    epochs: int | None = 5,
    model: str = MODEL,
    losses: list[float] | None = None,
) -> tuple[TrainingResult, list[AdversarialPool]]:
    chain, initial = untrained(model)
    chain.model.set_weights(initial)
    pools = [AdversarialPool(chain, place, POOL, len(digits.labels)) for place in layers]
    noted = losses if losses is not None else []
    data = digits.images, digits.labels
    trained = fit_with_pools(
        chain,
        *data,
        pools,
        regularization,
        seed=seed,
        epochs=epochs,
        follow=lambda reached: noted.append(reached.loss),
    )
    return trained, pools


def cross_entropy(result: TrainingResult, digits: ImageDataset) -> float:
    logits = result.model.predict(digits.images, batch_size=300, verbose=0).astype(np.float64)
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -np.mean(log_probabilities[np.arange(300), digits.labels])


def test_it_learns_and_says_what_it_did(digits: ImageDataset) -> None:
    losses: list[float] = []
    result, _ = fit(digits, epochs=None, losses=losses)
    assert (result.iterations, result.evaluations) == (500, 1500)  # 1,500 steps of 3 an epoch
    assert len(losses) == 500
    assert losses[-1] < 0.2 * losses[0]
    assert result.loss == pytest.approx(cross_entropy(result, digits), rel=1e-4)
    assert result.message == "stopped after the 500 epochs that were asked for"
    assert not result.converged


def test_weight_decay_is_of_all_squared_weights(digits: ImageDataset) -> None:
    result, _ = fit(digits, regularization=Regularization(weight_decay=1e-3), epochs=30)
    kernels = [w for w in result.model.get_weights() if w.ndim == 2]
    squares = sum(np.sum(np.square(kernel, dtype=np.float64)) for kernel in kernels)
    expected = cross_entropy(result, digits) + 1e-3 * squares
    assert result.loss == pytest.approx(expected, rel=1e-4)
    plain, _ = fit(digits, epochs=30)
    others = [w for w in plain.model.get_weights() if w.ndim == 2]
    assert squares < sum(np.sum(np.square(kernel)) for kernel in others)


@pytest.mark.parametrize(
    ("layers", "regularization"),
    [
        ((), Regularization(pixel_dropout=0.2)),
        ((), Regularization(unit_dropout=0.2)),
        (("images", "hidden_2"), Regularization(unit_dropout=0.1)),
    ],
)
def test_a_seed_decides_everything(
    digits: ImageDataset, layers: tuple[str, ...], regularization: Regularization
) -> None:
    weights = [
        fit(digits, layers, regularization, seed=seed)[0].model.get_weights() for seed in (0, 0, 1)
    ]
    for first, second in zip(weights[0], weights[1], strict=True):
        np.testing.assert_array_equal(first, second)
    assert (weights[0][0] != weights[2][0]).any()
    without = fit(digits)[0].model.get_weights()
    assert (weights[0][0] != without[0]).any()


def test_pools_are_renewed_at_every_interval(digits: ImageDataset) -> None:
    # 15 steps: after 4, 8 and 12.
    result, pools = fit(digits, ("images", "hidden_1"))
    assert result.evaluations == 15
    for pool in pools:
        assert 0 < pool.made <= 3 * POOL.renewal
        assert int(pool.count) == min(pool.made, POOL.size)


def test_a_pool_of_images_makes_smaller_gradients_of_the_loss(digits: ImageDataset) -> None:
    """What the pool is for: the network's answer changes less along its perturbations."""
    margins = []
    for layers in ((), ("images",)):
        fit(digits, layers, epochs=300)
        chain, _ = untrained(MODEL)
        pool = AdversarialPool(chain, "images", PoolConfig(size=300, renewal=300), 300)
        pool.renew(digits.images, digits.labels, np.random.default_rng(0))
        margins.append(pool.examples(digits.images, digits.labels, digits.indices).success.mean())
    assert margins[1] < 0.7 * margins[0]


def test_convolutions_are_trained_too(digits: ImageDataset) -> None:
    settings = ("images",), Regularization(unit_dropout=0.1)
    result, pools = fit(digits, *settings, model="conv", epochs=20)
    assert result.loss < 1.5  # nats; log 10 is 2.3
    assert pools[0].made > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weight_decay": -1.0}, "weight_decay is -1.0; expected 0 or more."),
        ({"pixel_dropout": 1.0}, "pixel_dropout is 1.0; expected 0 or more, below 1."),
        ({"unit_dropout": -0.1}, "unit_dropout is -0.1; expected 0 or more, below 1."),
    ],
)
def test_settings_out_of_range(settings: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Regularization(**settings)
