"""The numbers that the paper prints for E1 to E3, E6 and E7, to set beside ours.

Szegedy et al., *Intriguing properties of neural networks*, arXiv:1312.6199: the network table of
section 4.1, tables 1 to 5, and section 4.2. All but table 5 are on MNIST; error rates are
fractions, distortions are root mean squares per pixel. The paper does not say how it chose the
target classes.
"""

from collections.abc import Mapping
from typing import NamedTuple

CITATION = "Szegedy et al., Intriguing properties of neural networks, arXiv:1312.6199"
DATASET = "mnist"


class PaperNetwork(NamedTuple):
    """One row of the paper's network table."""

    title: str
    weight_decay: str  # lambda of each layer, as printed
    train_error: float  # fraction; also the error on the clean images of the cross-model tables
    test_error: float  # fraction
    distortion: float  # mean minimum distortion


# In the order of the paper's tables.
NETWORKS: Mapping[str, PaperNetwork] = {
    "fc10-1e-4": PaperNetwork("FC10(1e-4)", "1e-4", 0.067, 0.074, 0.062),
    "fc10-1e-2": PaperNetwork("FC10(1e-2)", "1e-2", 0.10, 0.094, 0.1),
    "fc10-1": PaperNetwork("FC10(1)", "1", 0.212, 0.20, 0.14),
    "fc100-100-10": PaperNetwork("FC100-100-10", "1e-5, 1e-5, 1e-6", 0.0, 0.0164, 0.058),
    "fc200-200-10": PaperNetwork("FC200-200-10", "1e-5, 1e-5, 1e-6", 0.0, 0.0154, 0.065),
    "ae400-10": PaperNetwork("AE400-10", "1e-6", 0.0057, 0.019, 0.086),
}

SOFTMAX_REGRESSION = ("fc10-1e-4", "fc10-1e-2", "fc10-1")
AUTOENCODER = "ae400-10"


def _by_network(*rates: float) -> dict[str, float]:
    return dict(zip(NETWORKS, rates, strict=True))


# Error of the network that is fed (inner key) on the set made for another (outer key).
CROSS_MODEL: Mapping[str, Mapping[str, float]] = {
    "fc10-1e-4": _by_network(1.0, 0.117, 0.227, 0.02, 0.039, 0.027),
    "fc10-1e-2": _by_network(0.871, 1.0, 0.352, 0.359, 0.273, 0.098),
    "fc10-1": _by_network(0.719, 0.762, 1.0, 0.481, 0.47, 0.344),
    "fc100-100-10": _by_network(0.289, 0.137, 0.211, 1.0, 0.066, 0.02),
    "fc200-200-10": _by_network(0.382, 0.14, 0.238, 0.203, 1.0, 0.027),
    "ae400-10": _by_network(0.234, 0.16, 0.248, 0.094, 0.066, 1.0),
}

# The same on the training images with Gaussian noise of a standard deviation (outer key).
NOISE: Mapping[float, Mapping[str, float]] = {
    0.1: _by_network(0.05, 0.101, 0.183, 0.0, 0.0, 0.008),
    0.3: _by_network(0.156, 0.113, 0.227, 0.05, 0.043, 0.031),
}


# Figure 7: noise of this standard deviation leaves an accuracy of 51 %; the paper does not say of
# which network.
LARGE_NOISE = 1.0


class PaperHalf(NamedTuple):
    """One row of the paper's table 3."""

    errors: Mapping[str, float]  # fraction, on P1, P2 and the test images
    distortion: float  # mean minimum distortion, test images


HALVES: Mapping[str, PaperHalf] = {
    "M1": PaperHalf({"P1": 0.0, "P2": 0.024, "test": 0.02}, 0.062),
    "M2": PaperHalf({"P1": 0.0, "P2": 0.025, "test": 0.021}, 0.059),
    "M3": PaperHalf({"P1": 0.023, "P2": 0.0, "test": 0.021}, 0.058),
}


def _by_half(*rates: float) -> dict[str, float]:
    return dict(zip(HALVES, rates, strict=True))


# Table 4: error of the network that is fed (inner key) on a set of test images (outer key).
TRANSFER: Mapping[str, Mapping[str, float]] = {
    "M1": _by_half(1.0, 0.262, 0.059),
    "M2": _by_half(0.0625, 1.0, 0.051),
    "M3": _by_half(0.082, 0.082, 1.0),
    "M1, amplified to 0.1": _by_half(1.0, 0.98, 0.43),
    "M2, amplified to 0.1": _by_half(0.96, 1.0, 0.22),
    "M3, amplified to 0.1": _by_half(0.27, 0.5, 1.0),
    "Gaussian noise 0.06": _by_half(0.022, 0.026, 0.024),
    "Gaussian noise 0.1": _by_half(0.026, 0.028, 0.027),
}

# Section 4.2: test errors of 100-100-10 networks, by variant of E7, as the paper words them.
POOL_BOUND = 0.012
REGULARIZED: Mapping[str, str] = {
    "weight_decay": "1.6 %",
    "dropout": "≈ 1.3 %",
    "pool_all": "< 1.2 %",
}


class PaperLayer(NamedTuple):
    """One row of the paper's table 5, on AlexNet."""

    title: str
    kernel: tuple[int, ...]  # height, width and features of a convolution; inputs and units
    bound: float  # upper frame bound


FRAME_BOUNDS = (
    PaperLayer("conv1", (11, 11, 96), 2.75),
    PaperLayer("conv2", (5, 5, 256), 10),
    PaperLayer("conv3", (3, 3, 384), 7),
    PaperLayer("conv4", (3, 3, 384), 7.5),
    PaperLayer("conv5", (3, 3, 256), 11),
    PaperLayer("FC1", (9216, 4096), 3.12),
    PaperLayer("FC2", (4096, 4096), 4),
    PaperLayer("FC3", (4096, 1000), 4),
)
