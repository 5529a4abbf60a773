"""What scripts share: flags, their checks, and how a script starts and ends."""

from tfblindspots.cli.classes import choose_classes
from tfblindspots.cli.flags import (
    define_amplification_flag,
    define_attack_size_flags,
    define_dataset_flags,
    define_model_flag,
    define_network_flag,
    define_num_examples_flag,
    define_only_class_flag,
    define_output_flag,
    define_positive_class_flag,
    define_seed_flag,
    define_sets_flag,
    define_test_split_flag,
    numbers,
    whole_numbers,
)
from tfblindspots.cli.startup import guard, on_terminal, run

__all__ = [
    "choose_classes",
    "define_amplification_flag",
    "define_attack_size_flags",
    "define_dataset_flags",
    "define_model_flag",
    "define_network_flag",
    "define_num_examples_flag",
    "define_only_class_flag",
    "define_output_flag",
    "define_positive_class_flag",
    "define_seed_flag",
    "define_sets_flag",
    "define_test_split_flag",
    "guard",
    "numbers",
    "on_terminal",
    "run",
    "whole_numbers",
]
