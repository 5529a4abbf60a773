"""What scripts share: flags, their checks, and how a script starts and ends."""

from tfblindspots.cli.flags import (
    define_amplification_flag,
    define_attack_size_flags,
    define_dataset_flags,
    define_model_flag,
    define_model_interface_flags,
    define_network_flag,
    define_num_classes_flag,
    define_num_examples_flag,
    define_only_class_flag,
    define_output_flag,
    define_saved_model_flag,
    define_seed_flag,
    define_sets_flag,
    define_test_split_flag,
    numbers,
    whole_numbers,
)
from tfblindspots.cli.loading import (
    image_size_from_flags,
    interface_from_flags,
    load_classifier_from_flags,
    load_dataset_from_flags,
)
from tfblindspots.cli.startup import guard, on_terminal, run

__all__ = [
    "define_amplification_flag",
    "define_attack_size_flags",
    "define_dataset_flags",
    "define_model_flag",
    "define_model_interface_flags",
    "define_network_flag",
    "define_num_classes_flag",
    "define_num_examples_flag",
    "define_only_class_flag",
    "define_output_flag",
    "define_saved_model_flag",
    "define_seed_flag",
    "define_sets_flag",
    "define_test_split_flag",
    "guard",
    "image_size_from_flags",
    "interface_from_flags",
    "load_classifier_from_flags",
    "load_dataset_from_flags",
    "numbers",
    "on_terminal",
    "run",
    "whole_numbers",
]
