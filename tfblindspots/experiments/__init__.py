"""The paper's experiments: wires data, models, attacks and measurements, and writes results."""

from tfblindspots.experiments.attack import make_adversarial_set
from tfblindspots.experiments.evaluation import distinct_names, evaluate_models
from tfblindspots.experiments.markdown import error_table, robust_accuracy_table
from tfblindspots.experiments.reproduction import NETWORKS, ReproductionConfig, reproduce
from tfblindspots.experiments.robust_accuracy import measure_robust_accuracy
from tfblindspots.experiments.training import TrainingConfig, train_network

__all__ = [
    "NETWORKS",
    "ReproductionConfig",
    "TrainingConfig",
    "distinct_names",
    "error_table",
    "evaluate_models",
    "make_adversarial_set",
    "measure_robust_accuracy",
    "reproduce",
    "robust_accuracy_table",
    "train_network",
]
