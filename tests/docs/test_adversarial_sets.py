"""The features that adversarial_sets.md prints are those of a set."""

from typing import Any

from tests.docs.pages import REPOSITORY, blocks
from tfblindspots.adversarial_sets import FIELDS, feature_description


def test_the_feature_description_is_complete() -> None:
    page = blocks(REPOSITORY / "docs" / "adversarial_sets.md")
    (block,) = (block for block in page if "FixedLenFeature" in block.code)
    names: dict[str, Any] = {}
    exec(block.code.partition("def parse")[0], names)
    assert names["features"] == feature_description((8, 8, 1))
    assert list(names["features"]) == [field.name for field in FIELDS]
