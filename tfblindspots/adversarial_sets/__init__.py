"""Adversarial sets on disk: TFRecord shards that TensorFlow Datasets and plain TensorFlow read."""

from tfblindspots.adversarial_sets.class_names import readable_class_name
from tfblindspots.adversarial_sets.reader import AdversarialSet, read_adversarial_set
from tfblindspots.adversarial_sets.schema import FIELDS, Field, feature_description, fields_of
from tfblindspots.adversarial_sets.writer import AdversarialSetWriter
from tfblindspots.adversarial_sets.writing import write_adversarial_set

__all__ = [
    "FIELDS",
    "AdversarialSet",
    "AdversarialSetWriter",
    "Field",
    "feature_description",
    "fields_of",
    "read_adversarial_set",
    "readable_class_name",
    "write_adversarial_set",
]
