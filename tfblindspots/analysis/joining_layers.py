"""Where paths through a network meet, and the arithmetic of Keras tensors (section 4.3)."""

import math
from typing import Any, NamedTuple

import keras
import numpy as np

from tfblindspots.analysis.lipschitz_constants import as_array, named_activation_constant

_LAYERS = (
    keras.layers.Add,
    keras.layers.Subtract,
    keras.layers.Average,
    keras.layers.Maximum,
    keras.layers.Minimum,
    keras.layers.Concatenate,
)
# Operations on tensors, as x + y makes them, are known by name: their classes are not public.
_OPERATIONS = "keras.src.ops."
_KEEPING_OPERATIONS = ("Abs", "Negative", "Reshape", "Transpose", "Squeeze", "ExpandDims")
_ACTIVATION_OPERATIONS = ("Relu", "Relu6", "Sigmoid", "Tanh", "Softmax", "Softplus", "Silu")


class Joint(NamedTuple):
    """How far apart an operation's inputs can carry its output."""

    factors: tuple[float, ...]  # the Lipschitz constant in each input
    adds: bool  # what the inputs do adds up; otherwise they are the sides of a box

    def bound(self, reach: list[float]) -> float:
        """The bound of the output's distance, given those of the inputs' distances."""
        sides = [factor * own for factor, own in zip(self.factors, reach, strict=True)]
        return math.fsum(sides) if self.adds else math.hypot(*sides)

    @property
    def constant(self) -> float:
        """The Lipschitz constant in all inputs together."""
        return math.hypot(*self.factors) if self.adds else max(self.factors)


def joint(operation: Any, node: Any) -> Joint | None:
    """What is known of an operation of several inputs, or of arithmetic on tensors.

    Args:
      operation: of a Keras graph.
      node: its place in the graph.

    Returns:
      None where nothing is known, as of a product of two tensors.
    """
    inputs, output = node.input_tensors, node.output_tensors[0]
    arithmetic = type(operation).__module__.startswith(_OPERATIONS)
    name = type(operation).__name__
    kind = name if arithmetic or type(operation) in _LAYERS else ""
    if kind == "Concatenate":
        return Joint((1.0,) * len(inputs), adds=False)
    # A value that broadcasting repeats counts as often as it appears.
    repeats = tuple(math.sqrt(max(1.0, _size(output) / _size(tensor))) for tensor in inputs)
    if kind in ("Add", "Subtract"):
        return Joint(repeats, adds=True)
    if kind == "Average" and not arithmetic:
        return Joint(tuple(factor / len(inputs) for factor in repeats), adds=True)
    if kind in ("Maximum", "Minimum"):
        return Joint(repeats, adds=False)
    if not arithmetic or len(inputs) > 1:
        return None
    factor = _operation_constant(name, node)
    return None if factor is None else Joint((factor * repeats[0],), adds=True)


def _operation_constant(name: str, node: Any) -> float | None:
    """The Lipschitz constant of an operation of one tensor, and perhaps of one number or array."""
    if name in _KEEPING_OPERATIONS:
        return 1.0
    if name in _ACTIVATION_OPERATIONS:
        return named_activation_constant(name.lower())
    arguments = node.arguments.args
    if name not in ("Multiply", "Divide", "TrueDivide") or len(arguments) != 2:
        return None
    first, second = arguments
    if not isinstance(second, keras.KerasTensor):
        values = np.abs(as_array(second))
        return float(values.max() if name == "Multiply" else (1 / values).max())
    if name == "Multiply" and not isinstance(first, keras.KerasTensor):
        return float(np.abs(as_array(first)).max())
    return None


def _size(tensor: Any) -> int:
    return math.prod(tensor.shape[1:])
