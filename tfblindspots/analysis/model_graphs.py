"""Keras models as graphs: their layers in the order of computation, nested models included."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfblindspots.errors import InputError


def graph_of(model: keras.Model) -> Any:
    """The functional model that ``model`` is or, if it is sequential, consists of.

    Raises:
      InputError: the model is not a graph of layers, or the size of its images is open.
    """
    graph = getattr(model, "_functional", None) or model
    if not hasattr(graph, "_nodes_by_depth"):
        raise InputError(
            f"model {model.name} does not say what its layers are (it is subclassed, or not "
            "built); expected a functional or sequential Keras model."
        )
    if any(None in tensor.shape[1:] for tensor in graph.inputs):
        raise InputError(
            f"model {model.name} takes images of any size; expected a fixed height and width, "
            "on which the bounds depend. Build it with keras.Input of a fixed shape."
        )
    return graph


def nodes_of(graph: Any) -> list[Any]:
    """The uses of layers in a graph, in the order of computation, inputs left out."""
    levels = sorted(graph._nodes_by_depth.items(), reverse=True)
    return [node for _, nodes in levels for node in nodes if not node.is_input]


def run_graph(
    model: keras.Model,
    inputs: Sequence[tf.Tensor],
    visit: Callable[[str, list[tf.Tensor], tf.Tensor], None],
    prefix: str = "",
) -> list[tf.Tensor]:
    """Computes a model layer by layer, as for inference.

    Args:
      model: functional or sequential.
      inputs: one tensor an input.
      visit: called for each layer that is no model, with its name (inside a nested model: after
        the model's and a slash), its inputs and its first output.
      prefix: of the names.

    Returns:
      The model's outputs.
    """
    graph = graph_of(model)
    values = {id(tensor): own for tensor, own in zip(graph.inputs, inputs, strict=True)}
    for node in nodes_of(graph):
        given = [values[id(tensor)] for tensor in node.input_tensors]
        name = f"{prefix}{node.operation.name}"
        if isinstance(node.operation, keras.Model):
            outputs = run_graph(node.operation, given, visit, f"{name}/")
        else:
            arguments, options = node.arguments.fill_in(values)
            outputs = keras.tree.flatten(node.operation(*arguments, **options))
            visit(name, given, outputs[0])
        values |= {id(t): own for t, own in zip(node.output_tensors, outputs, strict=True)}
    return [values[id(tensor)] for tensor in graph.outputs]
