"""Names of classes as people say them."""

import pytest

from tfblindspots.adversarial_sets import readable_class_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("n01484850_great_white_shark", "great white shark"),
        ("n01518878 ostrich", "ostrich"),
        ("7", "7"),
        ("T-shirt/top", "T-shirt/top"),
        ("red_fox", "red fox"),
        ("n0151887_x", "n0151887 x"),
        ("n01518878_", "n01518878_"),
    ],
)
def test_readable_class_name(name: str, expected: str) -> None:
    assert readable_class_name(name) == expected
