"""Makes a model good: full-batch L-BFGS, the autoencoder's own, Keras fit, pools, stages."""

from tfblindspots.training.adversarial_pool import AdversarialPool, PoolConfig, make_pools, places
from tfblindspots.training.binary_logistic import LEAST_IMAGES, BinaryLogistic, fit_binary_logistic
from tfblindspots.training.checkpoint import CHECKPOINTS, Checkpoints
from tfblindspots.training.fit_with_pools import Regularization, fit_with_pools
from tfblindspots.training.layer_chain import IMAGES, LayerChain
from tfblindspots.training.objective import weight_decay_penalty
from tfblindspots.training.progress import Follow, Progress
from tfblindspots.training.result import TrainingResult
from tfblindspots.training.stages import LearntStage, apply_layers, learn_stage
from tfblindspots.training.train import train

__all__ = [
    "CHECKPOINTS",
    "IMAGES",
    "LEAST_IMAGES",
    "AdversarialPool",
    "BinaryLogistic",
    "Checkpoints",
    "Follow",
    "LayerChain",
    "LearntStage",
    "PoolConfig",
    "Progress",
    "Regularization",
    "TrainingResult",
    "apply_layers",
    "fit_binary_logistic",
    "fit_with_pools",
    "learn_stage",
    "make_pools",
    "places",
    "train",
    "weight_decay_penalty",
]
