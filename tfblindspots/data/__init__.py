"""Named datasets as images in [0, 1] and labels: digits, anything in TensorFlow Datasets."""

from tfblindspots.data.at_hand import is_at_hand
from tfblindspots.data.dataset import ImageDataset
from tfblindspots.data.eight_bit import from_uint8, round_to_uint8
from tfblindspots.data.lazy_images import Images, LazyImages, in_memory, part_of
from tfblindspots.data.one_against_rest import one_against_rest, only_class
from tfblindspots.data.registry import DATASETS, load_dataset
from tfblindspots.data.selecting import load_selected

__all__ = [
    "DATASETS",
    "ImageDataset",
    "Images",
    "LazyImages",
    "from_uint8",
    "in_memory",
    "is_at_hand",
    "load_dataset",
    "load_selected",
    "one_against_rest",
    "only_class",
    "part_of",
    "round_to_uint8",
]
