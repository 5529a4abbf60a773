"""The embedded digits: all of scikit-learn's images, split once and for all."""

import numpy as np
import pytest
import sklearn.datasets

from tfblindspots.data import load_dataset
from tfblindspots.errors import InputError


def test_both_splits_together_are_scikit_learns_images() -> None:
    train, test = load_dataset("digits", "train"), load_dataset("digits", "test")
    assert train.images.shape == (1437, 8, 8, 1)
    assert test.images.shape == (360, 8, 8, 1)
    assert train.images.dtype == np.float32
    ours = np.concatenate([train.images, test.images])[..., 0] * 16
    labels = np.concatenate([train.labels, test.labels])
    theirs = sklearn.datasets.load_digits()
    rows = sorted(zip(map(bytes, ours.astype(np.uint8)), labels.tolist(), strict=True))
    expected = zip(map(bytes, theirs.images.astype(np.uint8)), theirs.target.tolist(), strict=True)
    assert rows == sorted(expected)
    assert train.class_names == tuple("0123456789")
    assert train.num_classes == 10


def test_classes_are_in_proportion_in_both_splits() -> None:
    train, test = load_dataset("digits", "train"), load_dataset("digits", "test")
    total = np.bincount(sklearn.datasets.load_digits().target)
    np.testing.assert_allclose(np.bincount(test.labels), total * 360 / 1797, atol=1)
    np.testing.assert_allclose(np.bincount(train.labels), total * 1437 / 1797, atol=1)


def test_the_split_never_changes() -> None:
    # Committed models and sets were made with these very images.
    assert load_dataset("digits", "train").fingerprint == (
        "49ab86ac54c7f4fab0886f719b3e60cd4f0b237e338a81ccb6347fcec7747c2d"
    )
    assert load_dataset("digits", "test").fingerprint == (
        "6c188873fa5aeda587c5b4752efd1a7efce16457aaf36ad45327be270d84ddec"
    )


def test_a_part_is_the_images_at_its_indices() -> None:
    whole = load_dataset("digits", "train")
    part = load_dataset("digits", "train[10%:20%]")
    assert part.split == "train[10%:20%]"
    assert part.indices.tolist() == list(range(144, 287))
    np.testing.assert_array_equal(part.images, whole.images[144:287])
    np.testing.assert_array_equal(part.labels, whole.labels[144:287])
    assert part.fingerprint != whole.fingerprint


def test_mixed_splits_train_but_have_no_source_split() -> None:
    mixed = load_dataset("digits", "train+test")
    assert len(mixed.images) == 1797
    assert mixed.indices[[0, 1436, 1437, 1796]].tolist() == [0, 1436, 0, 359]
    with pytest.raises(InputError, match=r"split 'train\+test' of digits mixes several splits; ex"):
        _ = mixed.source_split


def test_all_splits_have_no_source_split() -> None:
    with pytest.raises(InputError, match="split 'all' of digits mixes several splits"):
        _ = load_dataset("digits", "all").source_split
