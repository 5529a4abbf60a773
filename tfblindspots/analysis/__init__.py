"""What is measured: errors with their intervals, cross-model tables, noise, distortions."""

from tfblindspots.analysis.cross_model import ImageSet, cross_error_table
from tfblindspots.analysis.distortions import summarize_distortions
from tfblindspots.analysis.errors import ErrorRate, clopper_pearson, error_rate
from tfblindspots.analysis.noise import gaussian_noise

__all__ = [
    "ErrorRate",
    "ImageSet",
    "clopper_pearson",
    "cross_error_table",
    "error_rate",
    "gaussian_noise",
    "summarize_distortions",
]
