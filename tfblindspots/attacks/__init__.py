"""Minimum-distortion attacks: objectives, success criteria, the search over c."""

from tfblindspots.attacks.amplification import amplify, perturbation_sizes, rms_distortion
from tfblindspots.attacks.attack import MISCLASSIFIED, find_adversarial_examples
from tfblindspots.attacks.examples import SOLVERS, TARGETS, AdversarialExamples, AttackConfig

__all__ = [
    "MISCLASSIFIED",
    "SOLVERS",
    "TARGETS",
    "AdversarialExamples",
    "AttackConfig",
    "amplify",
    "find_adversarial_examples",
    "perturbation_sizes",
    "rms_distortion",
]
