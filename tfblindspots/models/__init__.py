"""Keras definitions, SavedModel export, and the one seam to models: the classifier."""

from tfblindspots.models.activations import Layer, load_layer
from tfblindspots.models.answers import (
    check_answers,
    is_unanswered,
    most_likely_class,
    predict_classes,
)
from tfblindspots.models.classifier import (
    Classifier,
    check_images,
    check_labels,
    forward_batch_size,
    predict_logits,
)
from tfblindspots.models.definition import ModelDefinition
from tfblindspots.models.interface import ModelInterface
from tfblindspots.models.keras_models import load_keras_model, with_fixed_sizes
from tfblindspots.models.layers import GroupedConv2D, LocalResponseNormalization
from tfblindspots.models.loading import load_classifier
from tfblindspots.models.local_layers import (
    L2Pooling2D,
    LocalContrastNormalization2D,
    LocallyConnected2D,
    extract_patches,
)
from tfblindspots.models.memory import BatchSize
from tfblindspots.models.quocnet import STAGES, Stage, build_quocnet, check_stages
from tfblindspots.models.registry import FAMILIES, get_definition
from tfblindspots.models.saved_model import ASSETS, export_saved_model
from tfblindspots.models.weights import LAYOUTS, load_weights

__all__ = [
    "ASSETS",
    "FAMILIES",
    "LAYOUTS",
    "STAGES",
    "BatchSize",
    "Classifier",
    "GroupedConv2D",
    "L2Pooling2D",
    "Layer",
    "LocalContrastNormalization2D",
    "LocalResponseNormalization",
    "LocallyConnected2D",
    "ModelDefinition",
    "ModelInterface",
    "Stage",
    "build_quocnet",
    "check_answers",
    "check_images",
    "check_labels",
    "check_stages",
    "export_saved_model",
    "extract_patches",
    "forward_batch_size",
    "get_definition",
    "is_unanswered",
    "load_classifier",
    "load_keras_model",
    "load_layer",
    "load_weights",
    "most_likely_class",
    "predict_classes",
    "predict_logits",
    "with_fixed_sizes",
]
