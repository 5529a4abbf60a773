"""Makes a model good: full-batch L-BFGS, the autoencoder's own, Keras fit, adversarial pools."""

from tfblindspots.training.adversarial_pool import AdversarialPool, PoolConfig, make_pools, places
from tfblindspots.training.fit_with_pools import Regularization, fit_with_pools
from tfblindspots.training.layer_chain import IMAGES, LayerChain
from tfblindspots.training.objective import weight_decay_penalty
from tfblindspots.training.result import TrainingResult
from tfblindspots.training.train import train

__all__ = [
    "IMAGES",
    "AdversarialPool",
    "LayerChain",
    "PoolConfig",
    "Regularization",
    "TrainingResult",
    "fit_with_pools",
    "make_pools",
    "places",
    "train",
    "weight_decay_penalty",
]
