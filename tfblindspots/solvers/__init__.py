"""Batched box-constrained minimisers over [B, n]; they know no images, models or classes."""

from tfblindspots.solvers.distances import (
    DISTANCES,
    L2,
    SQUARED_L2,
    Distance,
    WeightedDistance,
    row_dot,
    row_norm,
)
from tfblindspots.solvers.minimize import MinimizeResult, minimize

__all__ = [
    "DISTANCES",
    "L2",
    "SQUARED_L2",
    "Distance",
    "MinimizeResult",
    "WeightedDistance",
    "minimize",
    "row_dot",
    "row_norm",
]
