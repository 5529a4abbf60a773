"""Fixtures that several parts of the suite share."""

import os
from pathlib import Path

import pytest

# Where development and CI keep the data sets; users have theirs where TFDS puts it.
_BESIDE_THE_REPOSITORY = Path(__file__).parents[2] / "shared" / "tensorflow_datasets"


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
