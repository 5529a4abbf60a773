"""Each trainer from a definition to weights, on digits."""

import dataclasses

import keras
import numpy as np
import pytest

from tfblindspots.data import ImageDataset, load_dataset
from tfblindspots.errors import InputError
from tfblindspots.models import get_definition
from tfblindspots.training import TrainingResult, train

# A limit for each trainer that takes a second or two.
_LIMITS = {"fc30-20-10": 20, "ae20-10": 20, "conv": 2}


@pytest.fixture(scope="module")
def digits() -> ImageDataset:
    return load_dataset("digits", "train[:200]")


def _train(name: str, dataset: ImageDataset, seed: int) -> TrainingResult:
    return train(get_definition(name), dataset, seed=seed, max_iterations=_LIMITS[name])


@pytest.mark.parametrize("name", _LIMITS)
def test_the_seed_alone_decides_the_weights(digits: ImageDataset, name: str):
    weights = []
    for seed, global_seed in ((0, 7), (0, 8), (1, 7)):
        keras.utils.set_random_seed(global_seed)  # neither to be read nor moved
        before = np.random.get_state()[1].copy()
        weights.append(_train(name, digits, seed).model.get_weights())
        np.testing.assert_array_equal(np.random.get_state()[1], before)
    first, again, other = weights
    for weight, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(weight, same)
    assert any((weight != changed).any() for weight, changed in zip(first, other, strict=True))


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
