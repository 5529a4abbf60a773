"""Model definitions by name."""

from collections.abc import Callable

from tfblindspots.errors import InputError
from tfblindspots.models import (
    alexnet,
    applications,
    convolutional,
    fully_connected,
    softmax_regression,
    sparse_autoencoder,
    squeezenet,
)
from tfblindspots.models.definition import ModelDefinition

# From the names of a family, as shown to users, to what reads such a name. The first to recognise
# a name wins: fc10-1 is softmax regression with weight decay 1, not ten hidden units and one class.
FAMILIES: dict[str, Callable[[str], ModelDefinition | None]] = {
    "fc10-1e-4, fc10-1e-2, fc10-1": softmax_regression.parse,
    "fcA-B-...-K such as fc100-100-10": fully_connected.parse,
    "aeN-K such as ae400-10": sparse_autoencoder.parse,
    "conv": convolutional.parse,
    "squeezenet": squeezenet.parse,
    "alexnet, alexnet-caffe": alexnet.parse,
    "a network of keras.applications such as MobileNetV2": applications.parse,
}


def get_definition(name: str) -> ModelDefinition:
    """Finds a model definition.

    Args:
      name: ``fc10-1e-4``, ``fc10-1e-2``, ``fc10-1``; ``fcA-B-...-K`` for sigmoid layers of A, B and
        more units and K classes; ``aeN-K``; ``conv``; ``squeezenet``, ``alexnet``,
        ``alexnet-caffe``; a network of ``keras.applications``.

    Raises:
      InputError: there is no such model.
    """
    for parse in FAMILIES.values():
        if definition := parse(name):
            return definition
    raise InputError(f"model '{name}' is unknown; expected {', '.join(FAMILIES)}.")
