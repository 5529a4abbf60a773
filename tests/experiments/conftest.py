"""A small trained network and a few images, shared by the tests of experiments."""

from pathlib import Path

import pytest

from tests.experiments.engine_runs import contents
from tfblindspots.attacks import AttackConfig
from tfblindspots.data import ImageDataset, load_dataset
from tfblindspots.experiments import AttackRun, TrainingConfig, train_network
from tfblindspots.models import Classifier, load_classifier


@pytest.fixture(scope="session")
def train_set() -> ImageDataset:
    return load_dataset("digits", "train[:300]")


@pytest.fixture(scope="session")
def test_set() -> ImageDataset:
    return load_dataset("digits", "test[:30]")


@pytest.fixture(scope="session")
def model_directory(
    tmp_path_factory: pytest.TempPathFactory, train_set: ImageDataset, test_set: ImageDataset
) -> Path:
    """A softmax regression: seven of its 30 test images are wrong or so."""
    directory = tmp_path_factory.mktemp("models") / "linear"
    train_network(TrainingConfig("fc10-1e-2", max_iterations=10), train_set, test_set, directory)
    return directory


@pytest.fixture(scope="session")
def classifier(model_directory: Path) -> Classifier:
    return load_classifier(model_directory)


@pytest.fixture(scope="session")
def config() -> AttackConfig:
    """Cheap: compiled without XLA, and the batch is no larger than the images are many."""
    return AttackConfig(batch_size=10, xla=False)


@pytest.fixture
def run(
    tmp_path: Path, classifier: Classifier, test_set: ImageDataset, config: AttackConfig
) -> AttackRun:
    """Of 30 images in shards of 8, from which nothing is made yet."""
    return AttackRun(classifier, test_set, config, tmp_path / "set", shard_size=8)


@pytest.fixture(scope="session")
def expected(
    tmp_path_factory: pytest.TempPathFactory,
    classifier: Classifier,
    test_set: ImageDataset,
    config: AttackConfig,
) -> dict[str, bytes]:
    """The files of the set that is made from its first shard to its last, by name."""
    directory = tmp_path_factory.mktemp("sets") / "set"
    AttackRun(classifier, test_set, config, directory, shard_size=8).complete()
    return contents(directory)
