"""Named datasets as images in [0, 1] and labels: digits, anything in TensorFlow Datasets."""

from tfblindspots.data.dataset import ImageDataset
from tfblindspots.data.registry import DATASETS, load_dataset

__all__ = ["DATASETS", "ImageDataset", "load_dataset"]
