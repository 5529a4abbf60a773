"""A set written by one call is a set like any other."""

import collections
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tfblindspots.adversarial_sets import read_adversarial_set, write_adversarial_set
from tfblindspots.errors import InputError

_CLASSES = list("abcde")

MakeExamples = Callable[..., dict[str, np.ndarray]]


def test_it_is_read_back_and_known_to_tfds(tmp_path: Path, make_examples: MakeExamples) -> None:
    examples = make_examples(23)
    written = write_adversarial_set(
        tmp_path / "set",
        examples,
        model="m",
        class_names=_CLASSES,
        source_split="train",
        shard_size=10,
    )
    found = read_adversarial_set(tmp_path / "set")
    assert found.manifest == written
    assert found.manifest["model"] == {"name": "m"}
    assert found.source_split == "train"
    for name, values in examples.items():
        np.testing.assert_array_equal(found.examples[name], values)
    builder = tfds.builder_from_directory(tmp_path / "set")
    assert builder.info.splits["train"].num_examples == 23
    assert len(list(builder.as_dataset(split="train"))) == 23


def test_a_named_tuple_is_as_good_as_a_mapping(tmp_path: Path, make_examples: MakeExamples) -> None:
    fields = make_examples(3)
    examples: Any = collections.namedtuple("Examples", fields)(**fields)
    write_adversarial_set(tmp_path / "set", examples, model="m", class_names=_CLASSES)
    found = read_adversarial_set(tmp_path / "set")
    np.testing.assert_array_equal(found.examples["image"], fields["image"])


def test_examples_that_do_not_fit_leave_nothing(
    tmp_path: Path, make_examples: MakeExamples
) -> None:
    examples = make_examples(3, image=np.full((3, 4, 3, 2), 2, np.float32))
    with pytest.raises(InputError, match=r"examples\['image'\] is 2.0 for example 0; expected"):
        write_adversarial_set(tmp_path / "set", examples, model="m", class_names=_CLASSES)
    assert list(tmp_path.rglob("*")) == [tmp_path / "set"]


def test_other_files_are_not_replaced(tmp_path: Path, make_examples: MakeExamples) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match=r"holds other files \(mine.txt\); name a new or empty"):
        write_adversarial_set(tmp_path, make_examples(3), model="m", class_names=_CLASSES)
    assert (tmp_path / "mine.txt").read_text() == "keep"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (None, r"class_names is None; expected a name for each class, such as \['cat', 'dog'\]\."),
        ("abcde", "class_names is 'abcde'; expected a name for each class"),
        ([], r"class_names hold no name; expected a name for each class\."),
    ],
)
def test_what_are_no_names_of_classes(
    tmp_path: Path, make_examples: MakeExamples, names: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        write_adversarial_set(tmp_path / "set", make_examples(3), model="m", class_names=names)
