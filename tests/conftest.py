"""Fixtures that several parts of the suite share, and the order of the files."""

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Where development and CI keep the data sets; users have theirs where TFDS puts it.
_BESIDE_THE_REPOSITORY = Path(__file__).parents[2] / "shared" / "tensorflow_datasets"
# Parts of paths, those of the tests that take longest first.
_LONGEST = ("test_readme", "/docs/", "/attacks/", "/experiments/", "/scripts/", "/training/")


@pytest.fixture(scope="session")
def mnist_data_dir() -> str:
    """The TFDS data directory that holds MNIST; the test is skipped where there is none.

    ``REQUIRE_MNIST=1`` (set in CI) turns that skip into a failure.
    """
    candidates = [
        Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser(),
        _BESIDE_THE_REPOSITORY,
    ]
    for directory in candidates:
        if (directory / "mnist" / "3.0.1" / "dataset_info.json").is_file():
            return str(directory)
    message = f"MNIST is in none of {', '.join(map(str, candidates))}"
    if os.environ.get("REQUIRE_MNIST") == "1":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="module", autouse=True)
def free_memory() -> Iterator[None]:
    """Gives back what a file's tests used: glibc keeps most of what compiling took."""
    yield
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts first what takes longest, so that no worker is busy long after the other."""
    items.sort(key=lambda item: _rank(item.path.as_posix()))


def _rank(path: str) -> int:
    return next((i for i, part in enumerate(_LONGEST) if part in path), len(_LONGEST))
