"""What is compiled for one network serves all of its architecture: their weights are exchanged."""

import contextlib
import functools
import hashlib
import re
import threading
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from tfblindspots.models import Classifier

# TensorFlow numbers the gradients of functions; what they compute follows from the function. A
# gradient that a user defines has a number too, under another name: such models share nothing.
_GRADIENT_OF_FUNCTION = re.compile(rb"^(Stateful)?PartitionedCall-\d+$")


@dataclass(frozen=True)
class Network:
    """A classifier, equal to others that differ by their weights alone."""

    # SHA-256 of its operations and its weights' shapes; the classifier itself where its weights
    # cannot be told from the rest.
    architecture: Hashable
    convolutional: bool
    classifier: Classifier = field(compare=False)
    # What its graph reads from outside, variables for the most part, in the order of tracing.
    weights: Sequence[tf.Tensor] = field(compare=False)


class Weights:
    """The network that compiled functions read their weights from; another may take its place."""

    def __init__(self, network: Network) -> None:
        """Starts with the network for which the first of them is compiled."""
        self._network = network
        self._lock = threading.RLock()
        # Functions, and which of the network's weights each of their captures is.
        self._functions: list[tuple[Any, list[int]]] = []

    @property
    def classifier(self) -> Classifier:
        """The one in place, for which what else is needed is to be compiled."""
        return self._network.classifier

    def add(self, function: Any) -> None:
        """Takes on a concrete function that was traced with the classifier in place."""
        numbers = {id(tensor): i for i, tensor in enumerate(self._network.weights)}
        places = [numbers.get(id(tensor), -1) for tensor in function.captured_inputs]
        self._functions.append((function, places))

    @contextlib.contextmanager
    def of(self, network: Network) -> Iterator[None]:
        """Puts another network of the same architecture in place while the block runs.

        Other threads wait; a block within the block, for another network, gives the place back.
        """
        with self._lock:
            before = self._network
            self._put(network)
            try:
                yield
            finally:
                self._put(before)

    def _put(self, network: Network) -> None:
        if network.classifier is self._network.classifier:
            return
        self._network = network
        for function, places in self._functions:
            # Tracing again reads what it read before, or the network would not be shared.
            assert -1 not in places
            function.set_external_captures([network.weights[place] for place in places])


@functools.lru_cache(maxsize=4)
def trace(classifier: Classifier) -> Network:
    """Looks at the graph of a classifier, functions that it calls included."""
    spec = tf.TensorSpec([None, *classifier.image_shape], tf.float32)
    first, second = (
        tf.function(classifier.logits, autograph=False).get_concrete_function(spec)
        for _ in range(2)
    )
    definition = first.graph.as_graph_def(add_shapes=True)
    nodes = [*definition.node, *(n for f in definition.library.function for n in f.node_def)]
    weights = first.captured_inputs
    shapes = [_shape(weight) for weight in weights]
    # A model may make a tensor whenever it is traced: no telling then what of it is a weight.
    made_anew = list(map(id, weights)) != list(map(id, second.captured_inputs))
    apart = made_anew or None in shapes
    return Network(
        architecture=classifier
        if apart
        else _digest(f"{_structure(definition)} {shapes}".encode()),
        convolutional=any("Conv" in node.op for node in nodes),
        classifier=classifier,
        weights=weights,
    )


def _digest(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()


def _shape(weight: tf.Tensor) -> tuple[Any, ...] | None:
    """A weight's type and shape; None of what is no variable and no plain tensor."""
    if weight.dtype != tf.resource:
        return weight.dtype.name, *weight.shape
    try:
        return "variable", *tf.raw_ops.VariableShape(input=weight).numpy()
    except tf.errors.OpError:
        return None


def _structure(definition: Any) -> str:
    """A graph as text that is the same for graphs that compute the same with the same weights."""
    functions = {function.signature.name: function for function in definition.library.function}

    @functools.cache
    def of_function(name: str) -> str:
        function = functions[name]
        arguments = [argument.name for argument in function.signature.input_arg]
        types = [argument.type for argument in function.signature.input_arg]
        numbers = {name: i for i, name in enumerate(arguments)}
        nodes = of_nodes(function.node_def, numbers)
        results = [
            _source(function.ret[output.name], numbers) for output in function.signature.output_arg
        ]
        compiled = function.attr["_XlaMustCompile"].b
        return f"({types} {nodes} {results} {compiled})"

    def of_nodes(nodes: Sequence[Any], numbers: dict[str, int]) -> list[Any]:
        for node in nodes:
            numbers[node.name] = len(numbers)
        return [
            (
                node.op,
                [_source(source, numbers) for source in node.input],
                [
                    (name, of_value(value))
                    for name, value in sorted(node.attr.items())
                    if not name.startswith("_user_specified_name")
                ],
            )
            for node in nodes
        ]

    def of_value(value: Any) -> str:
        if value.HasField("func"):
            return of_function(value.func.name)
        if value.list.func:
            return str([of_function(function.name) for function in value.list.func])
        if _GRADIENT_OF_FUNCTION.match(value.s):
            return "gradient of a function"
        return _digest(value.SerializeToString(deterministic=True))

    return str(of_nodes(definition.node, {}))


def _source(name: str, numbers: Mapping[str, int]) -> str:
    """The output of a node, named by the node's number."""
    control, name = name[:1] == "^", name.removeprefix("^")
    node, _, output = name.partition(":")
    return f"{'^' * control}{numbers[node]}:{output}"
