"""The Python face: a few names, imported when they are used."""

import subprocess
import sys

import pytest

import tfblindspots


@pytest.mark.parametrize("name", tfblindspots.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(tfblindspots, name) is not None
    assert name in dir(tfblindspots)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'tfblindspots' has no attribute 'nothing'"):
        tfblindspots.nothing  # noqa: B018


def test_the_import_alone_brings_no_tensorflow() -> None:
    code = (
        "import sys, tfblindspots; print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"
