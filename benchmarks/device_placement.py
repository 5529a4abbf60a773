"""Lists what a GPU would leave to the host of the compiled attack: nothing, as it should be.

It needs no GPU: TensorFlow's build for CUDA, which pip installs, knows the kernels of GPUs anyway.
What XLA compiles is looked up among the operations that XLA knows on GPUs, everything else among
TensorFlow's kernels for GPUs, and there what an operation takes from the host's memory, too: sizes
and axes may come from there, but a result that lies on the GPU would have to be fetched.

Example:
  python -m benchmarks.device_placement
"""

import functools
import os
from collections.abc import Iterator
from typing import Any, NamedTuple
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf
from absl import app
from tensorflow.python.framework import kernels

from tfblindspots import runtime
from tfblindspots.attacks import passes
from tfblindspots.attacks.architecture import trace
from tfblindspots.attacks.compiled_search import CompiledSearch
from tfblindspots.attacks.efforts import choose_effort
from tfblindspots.attacks.lattice_search import LatticeSearch
from tfblindspots.attacks.tfp_search import TfpSearch
from tfblindspots.models import Classifier, load_classifier
from tfblindspots.solvers import SQUARED_L2

# They have kernels for GPUs, and wait there for the host, or have it wait for them.
_WAITING = {"Where", "Unique", "UniqueV2", "EagerPyFunc", "PrintV2", "Assert", "CheckNumerics"}
# It gives axes, whose number is open, and no images.
_AXES = "BroadcastGradientArgs"
# They stand for others or for nothing.
_NOTHING = {"Placeholder", "NoOp"}
_SLOTS = 48
_HANDLES = (tf.resource, tf.variant, tf.string)


class Finding(NamedTuple):
    """An operation that needs the host."""

    function: str
    operation: str
    kind: str
    reason: str


def host_work(function: Any, slots: int, compiled: bool) -> list[Finding]:
    """What of a concrete function, and of those that it calls, would need the host.

    Args:
      function: a concrete function.
      slots: images in its batch, by which whole numbers for each are told from sizes.
      compiled: by XLA.
    """
    return [
        Finding(graph.name, operation.name, operation.type, reason)
        for graph, with_xla in _graphs(function.graph, compiled, set())
        for operation in graph.get_operations()
        for reason in (_reason_xla(operation) if with_xla else _reasons(operation, slots))
    ]


def open_shapes(function: Any) -> list[str]:
    """Results in a function's loops whose shapes are not fixed when it is traced.

    What the model calls by itself, as a SavedModel does, is left out: it was traced before.
    """
    found = []
    for operation in function.graph.get_operations():
        if operation.type in ("While", "StatelessWhile"):
            body = function.graph._get_function(operation.get_attr("body").name).graph
            found += [
                f"{inner.type} {output.name} {output.shape}"
                for inner in body.get_operations()
                for output in inner.outputs
                if output.dtype not in _HANDLES and not output.shape.is_fully_defined()
                if not inner.type.endswith("PartitionedCall")
            ]
    return found


def functions(classifier: Classifier, slots: int, xla: bool) -> dict[str, tuple[Any, bool]]:
    """The functions of an attack as on a GPU, by name, and whether XLA compiles each whole.

    Args:
      classifier: the model under attack.
      slots: images in its batch.
      xla: compile the model with XLA, too.
    """
    network = trace(classifier)
    effort = choose_effort("standard", network.convolutional, 0)
    traced_only = mock.patch.object(CompiledSearch, "compile")
    with mock.patch.object(runtime, "on_gpu", lambda: True), traced_only:
        searches = passes._compile(network, "squared_l2", "lbfgs", effort, slots, xla)
        rolling: Any = (searches.direct, searches.noisy)
        directly, noisily = (search._search(slots) for search in rolling)
    lattice = LatticeSearch(classifier, slots)
    return {
        "direct": (directly.advance, xla),
        "noisy": (noisily.advance, xla),
        "last step": (searches.finish, False),
        "8 bits, start": (lattice._start, False),
        "8 bits, round": (lattice._round, False),
    }


def _graphs(graph: Any, compiled: bool, seen: set[str]) -> Iterator[tuple[Any, bool]]:
    """A graph and those of the functions that it calls, and whether XLA compiles each."""
    yield graph, compiled
    for operation in graph.get_operations():
        for value in operation.node_def.attr.values():
            name = value.func.name
            if name and name not in seen:
                seen.add(name)
                inner = graph._get_function(name)
                must = "_XlaMustCompile" in inner.definition.attr
                must = must and inner.definition.attr["_XlaMustCompile"].b
                yield from _graphs(inner.graph, compiled or must, seen)


@functools.cache
def _registered(kind: str, device: str) -> list[Any]:
    found = kernels.get_registered_kernels_for_op(kind).kernel
    return [kernel for kernel in found if kernel.device_type == device]


def _fits(operation: tf.Operation, kernel: Any) -> bool:
    for constraint in kernel.constraint:
        value = operation.get_attr(constraint.name)
        types = value if isinstance(value, list) else [value]
        allowed = constraint.allowed_values.list.type
        if not all(kind.as_datatype_enum in allowed for kind in types):
            return False
    return True


def _kernel(operation: tf.Operation) -> Any:
    """The kernel that TensorFlow takes on a GPU; None where there is none."""
    for device in ("GPU", "DEFAULT"):
        fitting = [k for k in _registered(operation.type, device) if _fits(operation, k)]
        if fitting:
            return max(fitting, key=lambda kernel: kernel.priority)
    return None


def _reason_xla(operation: tf.Operation) -> Iterator[str]:
    known = [k for k in _registered(operation.type, "XLA_GPU_JIT") if _fits(operation, k)]
    if operation.type not in _NOTHING and not known:
        yield "unknown to XLA on GPUs"


def _reasons(operation: tf.Operation, slots: int) -> Iterator[str]:
    for output in operation.outputs:
        whole = output.dtype == tf.int32 and operation.type != _AXES
        if whole and output.shape.rank and output.shape[0] in (None, slots):
            yield "whole numbers of 32 bits for each image, which lie in the host's memory"
    if operation.type in _NOTHING:
        return
    if operation.type in _WAITING:
        yield "waits for the host"
    kernel = _kernel(operation)
    if kernel is None:
        yield "no kernel for GPUs"
        return
    for name, tensor in _named(operation.op_def.input_arg, operation, operation.inputs):
        # Loops and branches look at their conditions on the host; that is said in the docs.
        taken = name in kernel.host_memory_arg or _pinned(operation)
        fetched = taken and not _on_host(tensor)
        if fetched and tensor.dtype not in _HANDLES:
            yield f"fetches {name} from the GPU, {tensor.dtype.name} {tensor.shape}"


def _on_host(tensor: tf.Tensor) -> bool:
    """Whether a result lies in the host's memory on a GPU."""
    operation = tensor.op
    if _pinned(operation):
        return True
    calls = any(value.func.name for value in operation.node_def.attr.values())
    kernel = None if calls or operation.type == "Placeholder" else _kernel(operation)
    if kernel is None:
        return bool(tensor.dtype == tf.int32)
    named = _named(operation.op_def.output_arg, operation, operation.outputs)
    return any(name in kernel.host_memory_arg for name, output in named if output is tensor)


def _pinned(operation: tf.Operation) -> bool:
    """Whether TensorFlow itself puts it on the host, as it does what gradients do with sizes."""
    return "CPU" in operation.device


def _named(
    arguments: Any, operation: tf.Operation, tensors: Any
) -> Iterator[tuple[str, tf.Tensor]]:
    """Each tensor with the name of its argument, which may be a list of tensors."""
    rest = iter(tensors)
    for argument in arguments:
        count = 1
        if argument.number_attr:
            count = operation.get_attr(argument.number_attr)
        elif argument.type_list_attr:
            count = len(operation.get_attr(argument.type_list_attr))
        for _ in range(count):
            yield argument.name, next(rest)


def main(argv: list[str]) -> None:
    """Prints what needs the host, and fails where anything does."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments: {argv[1:]}")
    tf.function(lambda x: x + 1.0, jit_compile=True)(tf.zeros(1))  # makes XLA's operations known
    failed = False
    for name in ("mnist/fc100-100-10", "benchmark/lenet"):
        classifier = load_classifier(f"saved_models/{name}")
        for xla in (True, False):
            parts = functions(classifier, _SLOTS, xla)
            if xla:  # without it TFP's own loop, which is not ours, counts on the host
                tfp = TfpSearch(classifier, SQUARED_L2, slots=_SLOTS, xla=True)
                parts["TFP"] = tfp.minimize, True
            for part, (function, compiled) in parts.items():
                found = host_work(function, _SLOTS, compiled)
                print(f"{name}, {'XLA' if xla else 'no XLA'}, {part}: {len(found)} on the host")
                for finding in found:
                    print(f"  {finding}")
                failed |= bool(found)
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    app.run(main)
