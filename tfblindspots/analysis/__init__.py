"""What is measured: errors with intervals, cross-model tables, noise, distortions, robustness."""

from tfblindspots.analysis.attack_claims import (
    eight_bit_violations,
    likelihood_violations,
    settings_differences,
    target_violations,
    unattacked_violations,
)
from tfblindspots.analysis.binary import BinaryMetrics, binary_metrics
from tfblindspots.analysis.certificates import certified_distances, spread_of
from tfblindspots.analysis.coherence import compare, label_coherence, mean_cosine_similarity
from tfblindspots.analysis.cross_model import ImageSet, cross_error_table
from tfblindspots.analysis.directions import (
    moving_units,
    random_directions,
    top_images,
    unit_directions,
    whitened_directions,
)
from tfblindspots.analysis.distortions import summarize_distortions
from tfblindspots.analysis.errors import (
    ErrorRate,
    clopper_pearson,
    error_rate,
    top_error_rate,
)
from tfblindspots.analysis.expansion import Expansion, NetworkExpansion, measure_expansion
from tfblindspots.analysis.frame_bounds import (
    FrameBounds,
    convolution_bounds,
    dense_bounds,
)
from tfblindspots.analysis.minimality import nearest_shares, sample_found
from tfblindspots.analysis.model_checks import MODEL_SAMPLE, check_model
from tfblindspots.analysis.network_bounds import LayerBounds, NetworkBounds, network_bounds
from tfblindspots.analysis.noise import gaussian_noise
from tfblindspots.analysis.quality_card import make_quality_card
from tfblindspots.analysis.repeated import over_runs
from tfblindspots.analysis.robust_accuracy import accuracy_at, robust_accuracy
from tfblindspots.analysis.verification import (
    Violation,
    merged,
    original_violations,
    prediction_violations,
    repeated_indices,
    size_violations,
    success_violations,
    summary_differences,
    value_violations,
    warning_differences,
)

__all__ = [
    "MODEL_SAMPLE",
    "BinaryMetrics",
    "ErrorRate",
    "Expansion",
    "FrameBounds",
    "ImageSet",
    "LayerBounds",
    "NetworkBounds",
    "NetworkExpansion",
    "Violation",
    "accuracy_at",
    "binary_metrics",
    "certified_distances",
    "check_model",
    "clopper_pearson",
    "compare",
    "convolution_bounds",
    "cross_error_table",
    "dense_bounds",
    "eight_bit_violations",
    "error_rate",
    "gaussian_noise",
    "label_coherence",
    "likelihood_violations",
    "make_quality_card",
    "mean_cosine_similarity",
    "measure_expansion",
    "merged",
    "moving_units",
    "nearest_shares",
    "network_bounds",
    "original_violations",
    "over_runs",
    "prediction_violations",
    "random_directions",
    "repeated_indices",
    "robust_accuracy",
    "sample_found",
    "settings_differences",
    "size_violations",
    "spread_of",
    "success_violations",
    "summarize_distortions",
    "summary_differences",
    "target_violations",
    "top_error_rate",
    "top_images",
    "unattacked_violations",
    "unit_directions",
    "value_violations",
    "warning_differences",
    "whitened_directions",
]
