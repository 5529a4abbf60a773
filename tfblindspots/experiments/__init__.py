"""The paper's experiments: wires data, models, attacks and measurements, and writes results."""

from tfblindspots.experiments.attack import make_adversarial_set
from tfblindspots.experiments.evaluation import distinct_names, evaluate_models
from tfblindspots.experiments.markdown import error_table
from tfblindspots.experiments.reproduction import NETWORKS, ReproductionConfig, reproduce
from tfblindspots.experiments.training import TrainingConfig, train_network

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
