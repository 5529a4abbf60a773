"""SqueezeNet v1.0 with ImageNet weights, and photos for it."""

import numpy as np

from tfblindspots.data import in_memory, load_dataset
from tfblindspots.models import Classifier, get_definition, load_classifier, load_weights


def load(
    weights: str, data_dir: str | None, count: int
) -> tuple[Classifier, np.ndarray, np.ndarray]:
    """The network, and of the first ``count`` photos its images [N, H, W, 3] and their labels [N].

    Args:
      weights: file that ``load_weights`` takes.
      data_dir: where TensorFlow Datasets keeps ``imagenet_sample``.
      count: N.
    """
    definition = get_definition("squeezenet")
    assert definition.image_shape is not None
    model = definition.build(definition.image_shape, 1000, 0)
    load_weights(model, weights)
    size = definition.image_shape[:2]
    photos = load_dataset("imagenet_sample", f"validation[:{count}]", data_dir, image_size=size)
    return load_classifier(model), in_memory(photos.images, "a benchmark"), photos.labels
