"""The paper's experiments: wires data, models, attacks and measurements, and writes results."""

from tfblindspots.experiments.attack import make_adversarial_set
from tfblindspots.experiments.evaluation import distinct_names, evaluate_models
from tfblindspots.experiments.markdown import (
    coherence_table,
    error_table,
    robust_accuracy_table,
)
from tfblindspots.experiments.networks import NETWORKS
from tfblindspots.experiments.pool_training import PoolTrainingConfig, train_with_pools
from tfblindspots.experiments.quocnet import QuocNetConfig, train_quocnet
from tfblindspots.experiments.regularizers import RegularizersConfig, compare_regularizers
from tfblindspots.experiments.reproduction import EXPERIMENTS, ReproductionConfig, reproduce
from tfblindspots.experiments.robust_accuracy import measure_robust_accuracy
from tfblindspots.experiments.training import TrainingConfig, train_network
from tfblindspots.experiments.training_sets import TrainingSetsConfig, compare_training_sets
from tfblindspots.experiments.units import UnitsConfig, inspect_units

__all__ = [
    "EXPERIMENTS",
    "NETWORKS",
    "PoolTrainingConfig",
    "QuocNetConfig",
    "RegularizersConfig",
    "ReproductionConfig",
    "TrainingConfig",
    "TrainingSetsConfig",
    "UnitsConfig",
    "coherence_table",
    "compare_regularizers",
    "compare_training_sets",
    "distinct_names",
    "error_table",
    "evaluate_models",
    "inspect_units",
    "make_adversarial_set",
    "measure_robust_accuracy",
    "reproduce",
    "robust_accuracy_table",
    "train_network",
    "train_quocnet",
    "train_with_pools",
]
