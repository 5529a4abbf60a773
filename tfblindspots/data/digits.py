"""Scikit-learn's 1,797 real handwritten digits of 8x8 pixels: embedded, so they need no network."""

import numpy as np
import sklearn.datasets
import sklearn.model_selection

from tfblindspots.artifacts import fingerprint_arrays
from tfblindspots.data.dataset import ImageDataset
from tfblindspots.data.splits import resolve_split, split_infos

_NAME = "digits"
_TEST_COUNT = 360
_SPLIT_SEED = 0  # part of what `digits` means: another seed is another dataset


def load_digits(split: str, data_dir: str | None = None) -> ImageDataset:
    """Loads ``digits``: train 1,437 and test 360 images, stratified by class, always the same.

    Args:
      split: in the split syntax of TFDS.
      data_dir: unused, since the images come with scikit-learn.

    Returns:
      Images float32 [N, 8, 8, 1]: the 17 grey levels 0/16 to 16/16.

    Raises:
      InputError: the split does not exist or is empty.
    """
    del data_dir
    bunch = sklearn.datasets.load_digits()
    train, test = sklearn.model_selection.train_test_split(
        np.arange(len(bunch.target)),
        test_size=_TEST_COUNT,
        random_state=_SPLIT_SEED,
        stratify=bunch.target,
    )
    rows = {"train": train, "test": test}
    sizes = {name: len(row) for name, row in rows.items()}
    parts = resolve_split(_NAME, split, split_infos(sizes))
    chosen = np.concatenate([rows[name][positions] for name, positions in parts])
    images = (bunch.images[chosen] / 16).astype(np.float32)[..., np.newaxis]
    labels = bunch.target[chosen].astype(np.int64)
    return ImageDataset(
        name=_NAME,
        split=split,
        images=images,
        labels=labels,
        indices=np.concatenate([positions for _, positions in parts]),
        num_classes=len(bunch.target_names),
        class_names=tuple(str(name) for name in bunch.target_names),
        fingerprint=fingerprint_arrays(images, labels),
    )
