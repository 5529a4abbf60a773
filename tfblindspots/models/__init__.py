"""Keras definitions, SavedModel export, and the one seam to models: the classifier."""

from tfblindspots.models.activations import Layer, load_layer
from tfblindspots.models.classifier import (
    Classifier,
    check_images,
    check_labels,
    forward_batch_size,
    predict_classes,
    predict_logits,
)
from tfblindspots.models.definition import ModelDefinition
from tfblindspots.models.interface import ModelInterface
from tfblindspots.models.loading import load_classifier
from tfblindspots.models.registry import FAMILIES, get_definition
from tfblindspots.models.saved_model import ASSETS, export_saved_model
from tfblindspots.models.weights import LAYOUTS, load_weights

__all__ = [
    "ASSETS",
    "FAMILIES",
    "LAYOUTS",
    "Classifier",
    "Layer",
    "ModelDefinition",
    "ModelInterface",
    "check_images",
    "check_labels",
    "export_saved_model",
    "forward_batch_size",
    "get_definition",
    "load_classifier",
    "load_layer",
    "load_weights",
    "predict_classes",
    "predict_logits",
]
