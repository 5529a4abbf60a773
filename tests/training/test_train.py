"""Each trainer from a definition to weights, on digits."""

import dataclasses

import keras
import numpy as np
import pytest

from tfblindspots.data import ImageDataset, load_dataset
from tfblindspots.errors import InputError
from tfblindspots.models import ModelDefinition, get_definition
from tfblindspots.training import Follow, Progress, TrainingResult, train
from tfblindspots.training.objective import mean_cross_entropy, weight_decay_penalty

# A limit for each trainer that takes a second or two.
_LIMITS = {"fc30-20-10": 20, "ae20-10": 20, "conv": 2}


@pytest.fixture(scope="module")
def digits() -> ImageDataset:
    return load_dataset("digits", "train[:200]")


def _train(
    name: str, dataset: ImageDataset, seed: int, follow: Follow | None = None
) -> TrainingResult:
    limit = _LIMITS[name]
    return train(get_definition(name), dataset, seed=seed, max_iterations=limit, follow=follow)


@pytest.mark.parametrize("name", _LIMITS)
def test_the_seed_alone_decides_the_weights(digits: ImageDataset, name: str):
    definition = get_definition(name)
    told: list[Progress] = []
    losses: list[float] = []

    def follow(progress: Progress) -> None:
        told.append(progress)
        if progress.model is not None:
            logits = progress.model(digits.images, training=False)
            decay = weight_decay_penalty(progress.model, definition.weight_decays)
            losses.append(float(mean_cross_entropy(digits.labels, logits) + decay))

    results = []
    for seed, global_seed, follower in ((0, 7, None), (0, 8, follow), (1, 7, None)):
        keras.utils.set_random_seed(global_seed)  # neither to be read nor moved
        before = np.random.get_state()[1].copy()
        results.append(_train(name, digits, seed, follower))
        np.testing.assert_array_equal(np.random.get_state()[1], before)
    first, again, other = (result.model.get_weights() for result in results)
    for weight, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(weight, same)
    assert any((weight != changed).any() for weight, changed in zip(first, other, strict=True))

    _check_what_was_told(definition, told, losses, results[1])


def _check_what_was_told(
    definition: ModelDefinition,
    told: list[Progress],
    losses: list[float],
    result: TrainingResult,
) -> None:
    code = [progress for progress in told if progress.model is None]
    if definition.trainer == "autoencoder":
        assert [progress.done for progress in code] == list(range(100, 3001, 100))
        assert {(progress.stage, progress.total) for progress in code} == {("code", 3000)}
        assert code[-1].loss < code[0].loss
    network = told[len(code) :]
    limit = _LIMITS[definition.name]
    assert [progress.done for progress in network] == list(range(1, limit + 1))
    assert {(p.stage, p.total) for p in network} == {(definition.name, limit)}
    given = [progress.loss for progress in network]
    assert given[-1] < given[0]
    if definition.trainer != "fit":  # an epoch's loss is the mean of what it was on the way
        np.testing.assert_allclose(given, losses, rtol=1e-5)
        assert given[-1] == result.loss
    assert losses[-1] == pytest.approx(result.loss, rel=1e-5)


@pytest.mark.parametrize("trainer", ["lbfgs", "fit"])
def test_divergence_is_told(digits: ImageDataset, trainer: str):
    broken = dataclasses.replace(digits, images=np.full_like(digits.images, np.nan))
    definition = dataclasses.replace(get_definition("fc10-1e-4"), trainer=trainer)
    with pytest.raises(InputError, match=r"^Training fc10-1e-4 diverged: its loss is nan after "):
        train(definition, broken, seed=0, max_iterations=2)


def test_divergence_of_the_autoencoder_is_told(digits: ImageDataset):
    broken = dataclasses.replace(digits, images=np.full_like(digits.images, np.nan))
    with pytest.raises(InputError, match=r"^Training code diverged: its loss is nan after "):
        _train("ae20-10", broken, 0)


def test_max_iterations_must_be_positive(digits: ImageDataset):
    with pytest.raises(InputError, match=r"^max_iterations is 0; expected at least 1\.$"):
        train(get_definition("conv"), digits, seed=0, max_iterations=0)


def test_an_unknown_trainer_is_told(digits: ImageDataset):
    definition = dataclasses.replace(get_definition("conv"), trainer="magic")
    with pytest.raises(
        InputError, match=r"^model conv names the trainer 'magic'; expected 'lbfgs'"
    ):
        train(definition, digits, seed=0)


def test_a_penalty_on_frame_bounds_makes_them_smaller(digits: ImageDataset):
    norms = []
    for penalty in (None, 3.0):
        model = train(
            get_definition("conv"), digits, seed=0, max_iterations=60, frame_bound_penalty=penalty
        ).model
        kernels = [model.get_layer(name).kernel.numpy() for name in ("hidden_1", "logits")]
        norms.append(np.prod([np.linalg.norm(kernel, 2) for kernel in kernels]))
    assert norms[1] < 0.5 * norms[0]


def test_a_penalty_on_frame_bounds_needs_adam(digits: ImageDataset):
    message = "model fc10-1 is trained by L-BFGS; frame_bound_penalty changes from step to step"
    with pytest.raises(InputError, match=message):
        train(get_definition("fc10-1"), digits, seed=0, frame_bound_penalty=0.1)
