"""How far a network can carry two inputs apart: bounds along every path through its graph.

Section 4.3 multiplies the upper frame bounds of a chain of layers. Where paths meet, their bounds
add up (a sum) or are the sides of a box (a concatenation).
"""

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import keras

from tfblindspots.analysis.frame_bounds import FrameBounds
from tfblindspots.analysis.joining_layers import Joint, joint
from tfblindspots.analysis.linear_layers import LinearMap, linear_map
from tfblindspots.analysis.lipschitz_constants import (
    activation_constant,
    layer_constant,
    normalization_factors,
)
from tfblindspots.analysis.model_graphs import Names, graph_of, is_graph, nodes_of
from tfblindspots.errors import InputError
from tfblindspots.models import with_fixed_sizes


@dataclasses.dataclass(frozen=True)
class LayerBounds:
    """What is known of one layer.

    Attributes:
      name: of the layer; of one inside a nested model, after the model's and a slash; of one that
        is used again, with the number of the use.
      kind: its class, such as ``"Conv2D"``.
      kernel: shape of its kernel as it is applied; None without one.
      bounds: of its linear part, batch normalisation that follows folded in; None without a kernel.
      padded_norm: of a convolution with its zero padding, from below (``Convolution.padded_norm``);
        None where there is none or it was not asked for.
      constant: Lipschitz constant of the layer, or a bound of it: ``bounds.upper`` times the
        activation's where there is a kernel; None where it is unknown.
      network: a bound of the network's Lipschitz constant from its input to the layer's output, in
        which unknown constants count as 1.
      unknown: names of the layers of unknown constants on the way, this one included; where there
        are any, ``network`` is no bound.
      folded: the batch normalisation that is part of ``bounds``, if any.
    """

    name: str
    kind: str
    kernel: tuple[int, ...] | None
    bounds: FrameBounds | None
    padded_norm: float | None
    constant: float | None
    network: float
    unknown: tuple[str, ...]
    folded: str | None = None


@dataclasses.dataclass(frozen=True)
class _Reach:
    """What ``network`` and ``unknown`` of ``LayerBounds`` are of one tensor."""

    bound: float = 1.0
    unknown: tuple[str, ...] = ()


class NetworkBounds(NamedTuple):
    """What is known of a network."""

    layers: list[LayerBounds]  # every use of a layer, in the order of computation
    bound: float  # of the Lipschitz constant of its output, as ``LayerBounds.network``
    unknown: tuple[str, ...]  # layers of unknown constants on the way; if any, there is no bound


def network_bounds(
    model: keras.Model,
    *,
    power_iterations: bool = True,
    progress: Callable[[Sequence[Any]], Any] = list,
) -> NetworkBounds:
    """The bounds of every layer of a network and of the network down to it.

    Args:
      model: a functional or sequential model, built, with one output.
      power_iterations: also find each convolution's norm with its zero padding.
      progress: wraps the layers that are looked at, as ``tqdm`` does.

    Raises:
      InputError: the model is not a graph of layers, has several outputs, leaves the size of its
        images open, or has a kernel that is not finite.
    """
    graph = graph_of(model)
    if len(graph.outputs) != 1:
        raise InputError(
            f"model {model.name} has {len(graph.outputs)} outputs; expected one, whose bound is "
            "asked for. Name it with --output, or build a model that has that output alone."
        )
    if any(None in tensor.shape[1:] for tensor in graph.inputs):
        raise InputError(
            f"model {model.name} takes images of any size; expected a fixed height and width, on "
            "which the bounds depend. Give --image_size, or build it with keras.Input of a fixed "
            "shape."
        )
    walk = _Walk(power_iterations, progress)
    (output,) = walk.through(model, [_Reach()] * len(graph.inputs), "")
    return NetworkBounds(walk.rows, output.bound, output.unknown)


class _Walk:
    """Goes through a graph in the order of computation and notes each layer's bounds."""

    def __init__(self, power_iterations: bool, progress: Callable[[Sequence[Any]], Any]) -> None:
        self.rows: list[LayerBounds] = []
        self._names = Names()
        self._power_iterations = power_iterations
        self._progress = progress

    def through(self, model: Any, given: Sequence[_Reach], prefix: str) -> list[_Reach]:
        """Notes the layers of ``model``; returns what reaches its outputs.

        Args:
          model: functional or sequential.
          given: of its inputs.
          prefix: of the layers' names.
        """
        graph = graph_of(model)
        reach = {id(tensor): own for tensor, own in zip(graph.inputs, given, strict=True)}
        nodes = nodes_of(graph)
        folded = _foldable(graph, nodes)
        for node in self._progress(nodes):
            inputs = [reach[id(tensor)] for tensor in node.input_tensors]
            if is_graph(node.operation):
                shapes = [tuple(tensor.shape[1:]) for tensor in node.input_tensors]
                inner = with_fixed_sizes(node.operation, shapes)
                outputs = self.through(inner, inputs, f"{prefix}{node.operation.name}/")
            else:
                own = self._layer(node, inputs, folded, prefix)
                outputs = [own] * len(node.output_tensors)
            for tensor, own in zip(node.output_tensors, outputs, strict=True):
                reach[id(tensor)] = own
        return [reach[id(tensor)] for tensor in graph.outputs]

    def _layer(
        self,
        node: Any,
        inputs: list[_Reach],
        folded: Mapping[str, keras.layers.BatchNormalization],
        prefix: str,
    ) -> _Reach:
        operation = node.operation
        linear = _linear_map(node)
        bounds, normalization = None, None
        if linear is not None:
            normalization = folded.get(operation.name)
            if normalization is not None:
                linear = linear.scaled(normalization_factors(normalization))
            bounds = linear.bounds()
            slope = activation_constant(getattr(operation, "activation", None))
            together = None if slope is None else Joint((bounds.upper * slope,), adds=True)
        elif operation in folded.values():
            together = Joint((1.0,), adds=True)
        else:
            together = _without_kernel(node)
        name = self._names.next_use(f"{prefix}{operation.name}")
        own = _reach(name, together, inputs)
        self.rows.append(
            LayerBounds(
                name=name,
                kind=type(operation).__name__,
                kernel=linear.kernel.shape if linear is not None else None,
                bounds=bounds,
                padded_norm=linear.padded_norm() if linear and self._power_iterations else None,
                constant=together.constant if together else None,
                network=own.bound,
                unknown=own.unknown,
                folded=self._names.following_use(f"{prefix}{normalization.name}")
                if normalization is not None
                else None,
            )
        )
        return own


def _reach(name: str, together: Joint | None, inputs: Sequence[_Reach]) -> _Reach:
    """What an operation's output reaches; where it is unknown it counts as 1 and is named."""
    names = dict.fromkeys(unknown for own in inputs for unknown in own.unknown)
    reach = [own.bound for own in inputs]
    if together is None:
        return _Reach(math.hypot(*reach), (*names, name))
    return _Reach(together.bound(reach), tuple(names))


def _without_kernel(node: Any) -> Joint | None:
    tensors = node.input_tensors
    if len(tensors) == 1 and isinstance(node.operation, keras.Layer):
        shapes = (tuple(tensors[0].shape[1:]), tuple(node.output_tensors[0].shape[1:]))
        constant = layer_constant(node.operation, *shapes)
        return None if constant is None else Joint((constant,), adds=True)
    return joint(node.operation, node)


def _linear_map(node: Any) -> LinearMap | None:
    if len(node.input_tensors) != 1:
        return None
    before, after = node.input_tensors[0], node.output_tensors[0]
    return linear_map(node.operation, tuple(before.shape[1:]), tuple(after.shape[1:]))


def _foldable(graph: Any, nodes: list[Any]) -> dict[str, keras.layers.BatchNormalization]:
    """Batch normalisation that follows a linear layer, and is all that does, by that layer's name.

    The two are one linear layer, whose bound can be far below the product of both.
    """
    readers = Counter(id(tensor) for node in nodes for tensor in node.input_tensors)
    readers.update(id(tensor) for tensor in graph.outputs)
    uses = Counter(id(node.operation) for node in nodes)
    producers = {id(tensor): node for node in nodes for tensor in node.output_tensors}
    found = {}
    for node in nodes:
        if type(node.operation) is not keras.layers.BatchNormalization:
            continue
        (tensor,) = node.input_tensors
        producer = producers.get(id(tensor))
        if (
            producer is not None
            and readers[id(tensor)] == uses[id(node.operation)] == uses[id(producer.operation)] == 1
            and _linear_map(producer) is not None
            and node.operation.axis % len(tensor.shape) == _channel_axis(producer)
            and producer.operation.activation in (None, keras.activations.linear)
        ):
            found[producer.operation.name] = node.operation
    return found


def _channel_axis(node: Any) -> int:
    """The axis of a linear layer's output along which its units lie."""
    first = getattr(node.operation, "data_format", "") == "channels_first"
    return 1 if first else len(node.output_tensors[0].shape) - 1
