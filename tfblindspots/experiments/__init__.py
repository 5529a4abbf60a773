"""The paper's experiments: wires data, models, attacks and measurements, and writes results."""

from tfblindspots.experiments.error_table import error_table
from tfblindspots.experiments.evaluate_models import distinct_names, evaluate_models
from tfblindspots.experiments.make_adversarial_set import make_adversarial_set
from tfblindspots.experiments.reproduce import NETWORKS, ReproductionConfig, reproduce
from tfblindspots.experiments.train_network import TrainingConfig, train_network

__all__ = [
    "NETWORKS",
    "ReproductionConfig",
    "TrainingConfig",
    "distinct_names",
    "error_table",
    "evaluate_models",
    "make_adversarial_set",
    "reproduce",
    "train_network",
]
