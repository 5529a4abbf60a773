"""What the reference is generated from: every public name says what it is."""

import importlib
import inspect
import pkgutil

import pytest

import tfblindspots

ROOMS = [f"tfblindspots.{module.name}" for module in pkgutil.iter_modules(tfblindspots.__path__)]
FACES = [room for room in ROOMS if hasattr(importlib.import_module(room), "__all__")]


def test_the_rooms_with_a_face() -> None:
    assert set(ROOMS) - set(FACES) == {
        "tfblindspots.errors",
        "tfblindspots.runtime",
        "tfblindspots.stopping",
        "tfblindspots.version",
    }


@pytest.mark.parametrize("room", FACES)
def test_every_public_name_is_documented(room: str) -> None:
    module = importlib.import_module(room)
    for name in module.__all__:
        value = getattr(module, name)
        if not (inspect.isclass(value) or inspect.isfunction(value)):
            continue
        first, _, rest = (inspect.getdoc(value) or "").partition("\n")
        assert first.endswith((".", "?")), f"{room}.{name} does not say what it is"
        parameters = [p for p in inspect.signature(value).parameters if not p.startswith("_")]
        if inspect.isfunction(value) and len(parameters) > 2:
            assert "Args:" in rest, f"{room}.{name} does not say what it takes"
