"""Makes a model good: full-batch L-BFGS, the autoencoder's own training, Keras fit."""

from tfblindspots.training.objective import weight_decay_penalty
from tfblindspots.training.result import TrainingResult
from tfblindspots.training.train import train

__all__ = ["TrainingResult", "train", "weight_decay_penalty"]
