"""Minimum-distortion attacks: objectives, success criteria, the search over c."""

from tfblindspots.attacks.amplification import amplify, perturbation_sizes, rms_distortion
from tfblindspots.attacks.attack import find_adversarial_examples
from tfblindspots.attacks.batch_size import batch_in_use, choose_batch_size
from tfblindspots.attacks.eight_bit import judge_eight_bit
from tfblindspots.attacks.examples import (
    SOLVERS,
    TARGETS,
    AdversarialExamples,
    AttackConfig,
    FloatExamples,
)
from tfblindspots.attacks.float_attack import MISCLASSIFIED, find_float_examples
from tfblindspots.attacks.objectives import judge, succeeds
from tfblindspots.attacks.targets import choose_targets
from tfblindspots.attacks.unanswered import attacked, unanswered

__all__ = [
    "MISCLASSIFIED",
    "SOLVERS",
    "TARGETS",
    "AdversarialExamples",
    "AttackConfig",
    "FloatExamples",
    "amplify",
    "attacked",
    "batch_in_use",
    "choose_batch_size",
    "choose_targets",
    "find_adversarial_examples",
    "find_float_examples",
    "judge",
    "judge_eight_bit",
    "perturbation_sizes",
    "rms_distortion",
    "succeeds",
    "unanswered",
]
