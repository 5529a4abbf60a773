"""Keras models as graphs: their layers in the order of computation, nested models included."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras.src.models.functional import Functional

from tfblindspots.errors import InputError

_PLAIN_CALLS = (Functional.call, keras.Sequential.call)


class Names:
    """Names for the uses of layers: one that is used again gets a number."""

    def __init__(self) -> None:
        self._uses: Counter[str] = Counter()

    def next_use(self, name: str) -> str:
        """``name``, or ``name (2)`` and so on when it has been asked for before."""
        following = self.following_use(name)
        self._uses[name] += 1
        return following

    def following_use(self, name: str) -> str:
        """What ``next_use`` will give."""
        uses = self._uses[name] + 1
        return name if uses == 1 else f"{name} ({uses})"


def is_graph(operation: Any) -> bool:
    """Whether an operation is a model that computes its layers' graph and nothing else."""
    if not isinstance(operation, keras.Model) or type(operation).call not in _PLAIN_CALLS:
        return False
    return hasattr(_functional(operation), "_nodes_by_depth")


def graph_of(model: keras.Model) -> Any:
    """The functional model that ``model`` is or, if it is sequential, consists of.

    Raises:
      InputError: the model is not a graph of layers.
    """
    if not is_graph(model):
        raise InputError(
            f"model {model.name} does not say what its layers are (it is subclassed, or not "
            "built); expected a functional or sequential Keras model."
        )
    return _functional(model)


def _functional(model: Any) -> Any:
    return getattr(model, "_functional", None) or model


def nodes_of(graph: Any) -> list[Any]:
    """The uses of layers in a graph, in the order of computation, inputs left out."""
    levels = sorted(graph._nodes_by_depth.items(), reverse=True)
    return [node for _, nodes in levels for node in nodes if not node.is_input]


def run_graph(
    model: keras.Model,
    inputs: Sequence[tf.Tensor],
    visit: Callable[[str, list[tf.Tensor], tf.Tensor], None],
) -> list[tf.Tensor]:
    """Computes a model layer by layer, as for inference.

    Args:
      model: functional or sequential.
      inputs: one tensor an input.
      visit: called for each use of a layer that is no graph itself, with its name (see ``Names``;
        inside a nested model: after the model's and a slash), its inputs and its first output.

    Returns:
      The model's outputs.
    """
    return _run(model, inputs, visit, "", Names())


def _run(
    model: keras.Model,
    inputs: Sequence[tf.Tensor],
    visit: Callable[[str, list[tf.Tensor], tf.Tensor], None],
    prefix: str,
    names: Names,
) -> list[tf.Tensor]:
    graph = graph_of(model)
    values = {id(tensor): own for tensor, own in zip(graph.inputs, inputs, strict=True)}
    for node in nodes_of(graph):
        given = [values[id(tensor)] for tensor in node.input_tensors]
        name = f"{prefix}{node.operation.name}"
        if is_graph(node.operation):
            outputs = _run(node.operation, given, visit, f"{name}/", names)
        else:
            arguments, options = node.arguments.fill_in(values)
            if getattr(node.operation, "_call_has_training_arg", False):
                # Whatever the graph was built with, as when the whole model is called so.
                options = {**options, "training": False}
            outputs = keras.tree.flatten(node.operation(*arguments, **options))
            visit(names.next_use(name), given, outputs[0])
        values |= {id(t): own for t, own in zip(node.output_tensors, outputs, strict=True)}
    return [values[id(tensor)] for tensor in graph.outputs]
