"""Adversarial sets on disk: TFRecord shards that TensorFlow Datasets and plain TensorFlow read."""

from tfblindspots.adversarial_sets.checks import out_of_range, range_text
from tfblindspots.adversarial_sets.class_names import readable_class_name
from tfblindspots.adversarial_sets.export import NPZ, export_npz, npz_problem
from tfblindspots.adversarial_sets.integrity import file_problems, tfds_problem
from tfblindspots.adversarial_sets.layout import Layout
from tfblindspots.adversarial_sets.manifest_types import check_manifest
from tfblindspots.adversarial_sets.reader import AdversarialSet, read_adversarial_set, read_shards
from tfblindspots.adversarial_sets.schema import FIELDS, KIND, Field, feature_description, fields_of
from tfblindspots.adversarial_sets.writer import AdversarialSetWriter
from tfblindspots.adversarial_sets.writing import write_adversarial_set

__all__ = [
    "FIELDS",
    "KIND",
    "NPZ",
    "AdversarialSet",
    "AdversarialSetWriter",
    "Field",
    "Layout",
    "check_manifest",
    "export_npz",
    "feature_description",
    "fields_of",
    "file_problems",
    "npz_problem",
    "out_of_range",
    "range_text",
    "read_adversarial_set",
    "read_shards",
    "readable_class_name",
    "tfds_problem",
    "write_adversarial_set",
]
