"""What a dataset is to the rest of the package."""

import dataclasses
import functools

import numpy as np

from tfblindspots.data.lazy_images import Images
from tfblindspots.data.splits import source_splits
from tfblindspots.errors import InputError


@dataclasses.dataclass(frozen=True)
class ImageDataset:
    """Labelled images of one size, in an order that never changes."""

    name: str  # 'digits', 'mnist': the registered name, the TFDS builder's, or the file's
    split: str  # as asked for, in the split syntax of TFDS: 'train[:500]'
    # float32 [N, H, W, C] in [0, 1]; where they would take more than a GiB, read when needed
    images: Images
    labels: np.ndarray  # int64 [N], in 0..num_classes - 1
    indices: np.ndarray  # int64 [N], position in the source split
    num_classes: int
    class_names: tuple[str, ...]  # one a class
    fingerprint: str  # SHA-256 of images and labels, hexadecimal
    skipped: tuple[str, ...] = ()  # files of the split that could not be decoded

    @functools.cached_property
    def source_split(self) -> str:
        """The one split that ``indices`` count in, such as ``'train'``.

        Raises:
          InputError: the images come from several splits (``'train+test'``), so that an index alone
            does not say which image is meant.
        """
        names = source_splits(self.split)
        if len(names) != 1 or names == ["all"]:
            raise InputError(
                f"split '{self.split}' of {self.name} mixes several splits; expected parts of one, "
                "such as 'train' or 'test[:100]', so that each image's index says where it is from."
            )
        return names[0]
