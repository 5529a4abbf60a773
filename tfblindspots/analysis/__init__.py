"""What is measured: errors with intervals, cross-model tables, noise, distortions, robustness."""

from tfblindspots.analysis.cross_model import ImageSet, cross_error_table
from tfblindspots.analysis.distortions import summarize_distortions
from tfblindspots.analysis.errors import ErrorRate, clopper_pearson, error_rate
from tfblindspots.analysis.model_checks import MODEL_SAMPLE, check_model
from tfblindspots.analysis.noise import gaussian_noise
from tfblindspots.analysis.quality_card import make_quality_card
from tfblindspots.analysis.robust_accuracy import accuracy_at, robust_accuracy

__all__ = [
    "MODEL_SAMPLE",
    "ErrorRate",
    "ImageSet",
    "accuracy_at",
    "check_model",
    "clopper_pearson",
    "cross_error_table",
    "error_rate",
    "gaussian_noise",
    "make_quality_card",
    "robust_accuracy",
    "summarize_distortions",
]
