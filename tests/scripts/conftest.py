"""Runs scripts in this process, as their users would give the flags."""

import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
from absl import flags
from absl.testing import flagsaver

from tfblindspots import cli
from tfblindspots.data import load_dataset
from tfblindspots.experiments import TrainingConfig, train_network

SCRIPTS = Path(__file__).parents[2] / "scripts"


class Outcome(NamedTuple):
    """How a script ended."""

    status: int
    out: str
    err: str


CallScript = Callable[[str, Sequence[str]], int]
RunScript = Callable[..., Outcome]


def load_script(name: str) -> ModuleType:
    """Imports ``scripts/NAME.py`` once a process: it defines flags."""
    module_name = f"scripts_{name}"
    if module_name not in sys.modules:
        spec = importlib.util.spec_from_file_location(module_name, SCRIPTS / f"{name}.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        spec.loader.exec_module(module)
    return sys.modules[module_name]


def call_script_in_process(name: str, arguments: Sequence[str]) -> int:
    """Calls a script with its arguments and gives its exit status."""
    module = load_script(name)
    with flagsaver.flagsaver():
        rest = flags.FLAGS([name, *arguments])
        assert rest == [name], "scripts take flags only"
        return cli.guard(module.main)


@pytest.fixture(scope="session")
def call_script() -> CallScript:
    """A function that calls a script with its arguments and gives its exit status."""
    return call_script_in_process


@pytest.fixture
def run_script(capsys: pytest.CaptureFixture[str], call_script: CallScript) -> RunScript:
    """A function from a script's name and its flags to what it printed and how it ended."""

    def run(name: str, **given: object) -> Outcome:
        capsys.readouterr()
        status = call_script(name, [f"--{flag}={value}" for flag, value in given.items()])
        return Outcome(status, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that the tests of scripts share, with a trained network, ``model``, in it."""
    directory = tmp_path_factory.mktemp("workplace")
    train_network(
        TrainingConfig("fc10-1e-2", max_iterations=10),
        load_dataset("digits", "train[:300]"),
        load_dataset("digits", "test"),
        directory / "model",
    )
    return directory


@pytest.fixture
def in_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
