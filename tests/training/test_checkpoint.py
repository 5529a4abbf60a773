"""A training that is cut off anywhere and goes on ends with the same weights, bit by bit."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfblindspots.data import ImageDataset, load_dataset
from tfblindspots.errors import OutputError
from tfblindspots.models import get_definition
from tfblindspots.training import (
    CHECKPOINTS,
    Checkpoints,
    LayerChain,
    PoolConfig,
    Progress,
    Regularization,
    TrainingResult,
    fit_with_pools,
    make_pools,
    train,
)
from tfblindspots.training import autoencoder as autoencoder_module

_MODULE = "tfblindspots.training.checkpoint"


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the training runs after it."""


@pytest.fixture(scope="module")
def digits() -> ImageDataset:
    return load_dataset("digits", "train[:300]")


@pytest.fixture(autouse=True)
def saved_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{_MODULE}._LEAST_SECONDS", 0.0)
    monkeypatch.setattr(f"{_MODULE}._SHARE", 1e9)


def killed_after(count: int) -> Callable[[Progress], None]:
    """Follows a training so far."""
    told = []

    def follow(progress: Progress) -> None:
        told.append(progress)
        if len(told) == count:
            raise Killed

    return follow


def _train(model: str, digits: ImageDataset, iterations: int, **settings: Any) -> TrainingResult:
    definition = get_definition(model)
    return train(definition, digits, seed=3, max_iterations=iterations, **settings)


@functools.cache
def _chain() -> LayerChain:
    """One for all, so that the attack on it is compiled once."""
    return LayerChain(get_definition("fc10-10-10").build((8, 8, 1), 10, 0))


def _with_pools(digits: ImageDataset, **settings: Any) -> TrainingResult:
    chain = _chain()
    chain.model.set_weights(get_definition("fc10-10-10").build((8, 8, 1), 10, 0).get_weights())
    pools = make_pools(chain, ["hidden_1"], PoolConfig(size=40, interval=4), 300)
    regularization = Regularization(weight_decay=1e-4, pixel_dropout=0.1, unit_dropout=0.2)
    found = fit_with_pools(
        chain, digits.images, digits.labels, pools, regularization, seed=3, epochs=6, **settings
    )
    # What the pools have come to counts as well.
    return found._replace(message=repr([pool.state() for pool in pools]))


TRAININGS: dict[str, Callable[..., TrainingResult]] = {
    # Dropout, and the vectors of a penalty.
    "fit": lambda digits, **settings: _train(
        "conv", digits, 4, frame_bound_penalty=1e-3, **settings
    ),
    # Its first part by Adam; its second by L-BFGS, whose convergence is judged by chunks.
    "autoencoder": lambda digits, **settings: _train("ae20-10", digits, 30, **settings),
    "pools": _with_pools,
}


@pytest.mark.parametrize(
    ("name", "cuts"), [("fit", (2, 1)), ("autoencoder", (2, 12)), ("pools", (3,))]
)
def test_weights_are_those_of_an_uninterrupted_training(
    tmp_path: Path,
    digits: ImageDataset,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    cuts: tuple[int, ...],
) -> None:
    monkeypatch.setattr(autoencoder_module, "_LEAST_STEPS", 600)
    monkeypatch.setattr(autoencoder_module, "_EPOCHS", 1)
    training = functools.partial(TRAININGS[name], digits)
    told: list[int] = []
    for cut in cuts:
        with pytest.raises(Killed):
            training(checkpoints=Checkpoints(tmp_path), follow=killed_after(cut))
    found = training(
        checkpoints=Checkpoints(tmp_path), follow=lambda progress: told.append(progress.done)
    )
    weights = found.model.get_weights()
    expected = training()
    for mine, theirs in zip(weights, expected.model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for field in ("converged", "iterations", "evaluations", "loss", "message"):
        assert getattr(found, field) == getattr(expected, field)
    # It did go on, rather than begin anew.
    assert told[0] > 1
    if name == "fit":  # What has ended is not done again.
        again = training(checkpoints=Checkpoints(tmp_path), follow=killed_after(1))
        np.testing.assert_array_equal(again.model.get_weights()[0], weights[0])
    Checkpoints(tmp_path).remove()
    assert not any(tmp_path.iterdir())


def test_saving_takes_its_share_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{_MODULE}._LEAST_SECONDS", 1.0)
    monkeypatch.setattr(f"{_MODULE}._SHARE", 0.01)
    now = [100.0]
    monkeypatch.setattr(f"{_MODULE}.time.monotonic", lambda: now[0])
    checkpoint, saved = Checkpoints(tmp_path).of("it"), []

    def state() -> dict[str, Any]:
        saved.append(now[0])
        now[0] += 0.05  # what saving takes
        return {"step": len(saved)}

    while now[0] < 120:
        checkpoint.save(state)
        now[0] += 0.25  # what a step takes
    assert np.diff([100, *saved]).min() >= 1
    np.testing.assert_allclose(np.diff(saved), 5.05, atol=0.3)
    assert int(Checkpoints(tmp_path).of("it").state["step"]) == len(saved)  # type: ignore[index]


def test_a_full_disk_keeps_what_was_saved_before(tmp_path: Path) -> None:
    checkpoint = Checkpoints(tmp_path).of("it")
    checkpoint.save(lambda: {"step": 1}, last=True)

    def replaced(path: Path, mode: str) -> Any:
        path.symlink_to("/dev/full")
        return original(path, mode)

    original = Path.open
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", replaced)
        with pytest.raises(OutputError, match=r"npz cannot be written \(No space left on device\)"):
            checkpoint.save(lambda: {"step": np.zeros(100_000)}, last=True)
    assert int(Checkpoints(tmp_path).of("it").state["step"]) == 1  # type: ignore[index]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-40]), "cannot be read"),
        (lambda path: np.savez(path, version="0.0", seconds=1.0), "is of version 0.0"),
    ],
)
def test_a_checkpoint_that_does_not_serve_is_left_aside(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
    message: str,
) -> None:
    Checkpoints(tmp_path).of("it").save(lambda: {"step": 1}, last=True)
    (path,) = tmp_path.glob(CHECKPOINTS)
    damage(path)
    assert Checkpoints(tmp_path).of("it").state is None
    (record,) = caplog.records
    assert message in record.message
    assert record.message.endswith("; the training begins anew.")
