"""Finds, measures, exports and helps close the blind spots of image classifiers.

The names below are the whole Python face; ``import tfblindspots`` alone imports no TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

from tfblindspots.errors import InputError
from tfblindspots.version import VERSION

if TYPE_CHECKING:
    from tfblindspots.adversarial_sets import read_adversarial_set, write_adversarial_set
    from tfblindspots.attacks import AttackConfig, find_adversarial_examples
    from tfblindspots.data import load_dataset
    from tfblindspots.models import ModelInterface, load_classifier

__version__ = VERSION
__all__ = [
    "AttackConfig",
    "InputError",
    "ModelInterface",
    "__version__",
    "find_adversarial_examples",
    "load_classifier",
    "load_dataset",
    "read_adversarial_set",
    "write_adversarial_set",
]

_ROOMS = {
    "AttackConfig": "attacks",
    "ModelInterface": "models",
    "find_adversarial_examples": "attacks",
    "load_classifier": "models",
    "load_dataset": "data",
    "read_adversarial_set": "adversarial_sets",
    "write_adversarial_set": "adversarial_sets",
}


def __getattr__(name: str) -> Any:
    """Imports a name's part of the package when it is first used (PEP 562)."""
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_ROOMS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
