"""The paper's experiments: wires data, models, attacks and measurements, and writes results."""

from tfblindspots.experiments.attack import (
    AttackRun,
    as_ranges,
    make_adversarial_set,
    refuse_missing,
)
from tfblindspots.experiments.choosing import target_by_name
from tfblindspots.experiments.engines import beam_engine, device_engine
from tfblindspots.experiments.evaluation import distinct_names, evaluate_models
from tfblindspots.experiments.example_pictures import PicturesConfig, plot_examples
from tfblindspots.experiments.frame_bound_penalties import (
    FrameBoundPenaltiesConfig,
    compare_frame_bound_penalties,
)
from tfblindspots.experiments.frame_bounds import build_network, measure_frame_bounds
from tfblindspots.experiments.importing import ImportConfig, image_size, import_model
from tfblindspots.experiments.markdown import (
    coherence_table,
    error_table,
    frame_bounds_table,
    robust_accuracy_table,
)
from tfblindspots.experiments.model_zoo import index_models
from tfblindspots.experiments.networks import NETWORKS
from tfblindspots.experiments.pool_training import PoolTrainingConfig, train_with_pools
from tfblindspots.experiments.quocnet import QuocNetConfig, train_quocnet
from tfblindspots.experiments.regularizers import RegularizersConfig, compare_regularizers
from tfblindspots.experiments.reproduction import EXPERIMENTS, ReproductionConfig, reproduce
from tfblindspots.experiments.robust_accuracy import measure_robust_accuracy
from tfblindspots.experiments.set_board import SetBoard
from tfblindspots.experiments.shards import LARGEST_SHARD, Engine, make_in_turn
from tfblindspots.experiments.training import TrainingConfig, train_network
from tfblindspots.experiments.training_sets import TrainingSetsConfig, compare_training_sets
from tfblindspots.experiments.units import UnitsConfig, inspect_units
from tfblindspots.experiments.verification import Verification, verify_adversarial_set
from tfblindspots.experiments.verification_files import (
    check_verification_path,
    write_verification,
)
from tfblindspots.experiments.verification_sources import Check
from tfblindspots.experiments.workers import Inputs

__all__ = [
    "EXPERIMENTS",
    "LARGEST_SHARD",
    "NETWORKS",
    "AttackRun",
    "Check",
    "Engine",
    "FrameBoundPenaltiesConfig",
    "ImportConfig",
    "Inputs",
    "PicturesConfig",
    "PoolTrainingConfig",
    "QuocNetConfig",
    "RegularizersConfig",
    "ReproductionConfig",
    "SetBoard",
    "TrainingConfig",
    "TrainingSetsConfig",
    "UnitsConfig",
    "Verification",
    "as_ranges",
    "beam_engine",
    "build_network",
    "check_verification_path",
    "coherence_table",
    "compare_frame_bound_penalties",
    "compare_regularizers",
    "compare_training_sets",
    "device_engine",
    "distinct_names",
    "error_table",
    "evaluate_models",
    "frame_bounds_table",
    "image_size",
    "import_model",
    "index_models",
    "inspect_units",
    "make_adversarial_set",
    "make_in_turn",
    "measure_frame_bounds",
    "measure_robust_accuracy",
    "plot_examples",
    "refuse_missing",
    "reproduce",
    "robust_accuracy_table",
    "target_by_name",
    "train_network",
    "train_quocnet",
    "train_with_pools",
    "verify_adversarial_set",
    "write_verification",
]
