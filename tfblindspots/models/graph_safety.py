"""Looks for operations in a SavedModel that do more than compute, before TensorFlow loads it.

Loading runs parts of a SavedModel (initialisers, restoring functions), calling it the rest. What an
operation may do is known from TensorFlow's registry: one without state only computes, but for the
few in ``_REACHING``; of those with state only the ones in ``_STATEFUL`` pass.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from tensorflow.core.framework import op_def_pb2
from tensorflow.python.client import pywrap_tf_session
from tensorflow.python.saved_model import loader_impl

from tfblindspots.artifacts import leaves_folder
from tfblindspots.models.keras_safety import refusal

# Operations that keep a state inside the process: variables, random numbers, tables, calls.
_STATEFUL = re.compile(
    r"Assert|CheckNumerics(V2)?|DeepCopy|DeviceIndex|Empty|GuaranteeConst|IsTensorFloat32Enabled"
    r"|StatefulPartitionedCall|If|While|Case|XlaLaunch"
    r"|(VarHandle|ReadVariable|Assign(Add|Sub)?Variable|VarIsInitialized|DestroyResource)Op"
    r"|VariableShape|DisableCopyOnRead|Variable(V2)?|TemporaryVariable"
    r"|Resource(Gather(Nd)?|Scatter\w+|StridedSliceAssign|CountUpTo|(Sparse)?Apply\w+)"
    r"|Random(Uniform(Int)?|StandardNormal|Shuffle|Gamma|Poisson(V2)?|Crop)|Multinomial"
    r"|(Parameterized)?TruncatedNormal|NonDeterministicInts|Rng(Skip|ReadAndSkip)"
    r"|Stateful(RandomBinomial|StandardNormal(V2)?|TruncatedNormal|Uniform(FullInt|Int)?)"
    r"|StatelessRandomGetAlg|SampleDistortedBoundingBox(V2)?"
    r"|TensorArray(?!Dataset)\w*|Stack(Push|Pop|Close)?(V2)?|CudnnRNN\w*"
    r"|(Anonymous)?(Mutable)?(Dense)?HashTable(OfTensors)?(V2)?|LookupTable\w+V2|InitializeTableV2"
    r"|Print|Timestamp"
)
# Operations without state that reach out of the model all the same.
_REACHING = re.compile(
    r"ReadFile|MatchingFiles|ImmutableConst|GenerateVocabRemapping|InitializeTableFromTextFile"
    r"|(De|En)codeProto(V2)?|PyFuncStateless|Debug(Identity|NanCount|NumericSummary)|Copy(Host)?"
    r"|XlaCustomCall(V2)?|MlirPassthroughOp|TPUPartitionedCall|Abort|\w*Dataset\w*|Reader\w+"
)
# The loader reads variables with its own; a model has these for whoever saves or restores it anew.
_SAVER = frozenset(("SaveV2", "RestoreV2", "MergeV2Checkpoints"))
_DOES = (
    (r".*PyFunc.*", "runs Python"),
    (r"(Write|Save|Merge|Print|Create\w*Summary|DumpTensor|Debug|\w*Summary).*", "writes files"),
    (
        r"(Read(er|File)|Restore|MatchingFiles|ImmutableConst|LoadAndRemap|Initialize"
        r"|GenerateVocab|WholeFile|TFRecord|LMDB|FixedLengthRecord|TextLine|(De|En)codeProto"
        r"|\w*Dataset).*",
        "reads files",
    ),
    (r"(Rpc|_?Send|_?Recv|Collective|RemoteCall|_?Host).*", "talks to other machines"),
    (r"Abort", "ends the process"),
)
_STREAMS = re.compile(rb"stdout|stderr|log\((info|warning|error)\)")


def check_saved_model(path: Path) -> None:
    """Refuses a SavedModel that could do more than compute.

    Args:
      path: of its directory.

    Raises:
      InputError: an operation of its graph or of any of its functions touches files, the network,
        Python or other processes, or is not known to this TensorFlow; or it names an asset outside
        its directory.
      OSError: it cannot be read. Protocol buffers raise errors of their own.
    """
    # What the loader itself reads, of several files that might be there.
    saved_model = loader_impl.parse_saved_model(str(path))
    stateful = {operation.name: operation.is_stateful for operation in _registered_operations()}
    graphs = saved_model.meta_graphs
    # The condition by which TensorFlow takes one for a SavedModel of version 2.
    second = len(graphs) == 1 and graphs[0].HasField("object_graph_def")
    for graph in graphs:
        for asset in graph.asset_file_def:
            if leaves_folder(asset.filename):
                raise refusal(path, f"an asset outside its directory, {asset.filename}")
        functions = {function.signature.name for function in graph.graph_def.library.function}
        runs = _runs_functions(graph) if second else _runs_nodes(graph)
        for function, node in _nodes(graph):
            if node.op not in stateful and node.op in functions:
                continue
            if node.op in _SAVER and not runs(function, node):
                continue
            problem = _problem(node, stateful.get(node.op))
            if problem:
                where = f" in its function {function}" if function else ""
                raise refusal(path, f"the operation {node.op}{where}, which {problem}")


def _registered_operations() -> Any:
    serialized = pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList())
    return op_def_pb2.OpList.FromString(serialized).op


def _problem(node: Any, stateful: bool | None) -> str | None:
    """What an operation does besides computing; None where nothing. ``stateful`` None: unknown."""
    name = node.op
    if stateful is None:
        return "is unknown to this TensorFlow"
    # TensorFlow leaves out what is the default: the standard error stream.
    stream = node.attr["output_stream"].s if "output_stream" in node.attr else b"stderr"
    if name == "PrintV2" and _STREAMS.fullmatch(stream):
        return None
    if (stateful and _STATEFUL.fullmatch(name)) or not (stateful or _REACHING.fullmatch(name)):
        return None
    return next(
        (does for pattern, does in _DOES if re.fullmatch(pattern, name)),
        "is not known to do nothing but compute",
    )


def _nodes(graph: Any) -> Iterator[tuple[str, Any]]:
    """All nodes, each with the name of its function; empty for those of the graph itself."""
    yield from (("", node) for node in graph.graph_def.node)
    for function in graph.graph_def.library.function:
        yield from ((function.signature.name, node) for node in function.node_def)


def _runs_functions(graph: Any) -> Callable[[str, Any], bool]:
    """Of version 2: whether loading or calling the model can come to a function's nodes.

    The functions that save and restore are called by the graph alone, which the loader does not
    run. It runs, or gives to callers, what the objects name, in whichever of their many fields; the
    gradients; and what these call in turn. TensorFlow may exchange functions that say that they
    implement the same.
    """
    library = graph.graph_def.library
    calls = {function.signature.name: set(_texts(function)) for function in library.function}
    names = {*_texts(graph.object_graph_def), *_texts(library.gradient)}
    names.update(_texts(library.registered_gradients))
    names.update(f.signature.name for f in library.function if "api_implements" in f.attr)
    found: set[str] = set()
    names &= calls.keys()
    while names:
        found |= names
        names = set().union(*(calls[name] for name in names)) & calls.keys() - found
    return lambda function, node: function in found


def _texts(part: Any) -> Iterator[str]:
    """All text of protocol buffers, however deep, but for the content of tensors."""
    parts = [part]
    while parts:
        part = parts.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, bytes):
            yield part.decode(errors="replace")
        elif isinstance(part, Mapping):
            parts.extend((*part.keys(), *part.values()))
        elif isinstance(part, Sequence):
            parts.extend(part)
        elif isinstance(part, Message) and part.DESCRIPTOR.name != "TensorProto":
            parts.extend(value for _, value in part.ListFields())


def _runs_nodes(graph: Any) -> Callable[[str, Any], bool]:
    """Of version 1: whether a node saves or restores what the loader does not tell it to.

    The loader restores through the graph, from the name of the file that it feeds.
    """
    inputs = {node.name: [_node_name(name) for name in node.input] for node in graph.graph_def.node}
    saver = graph.saver_def
    names = {saver.restore_op_name}
    for signature in graph.signature_def.values():
        names.update(_node_name(output.name) for output in signature.outputs.values())
    for collection in graph.collection_def.values():
        names.update(map(_node_name, collection.node_list.value))
    found: set[str] = set()
    while names:
        found |= names
        names = {inner for name in names for inner in inputs.get(name, ())} - found
    fed = _node_name(saver.filename_tensor_name)

    def runs(function: str, node: Any) -> bool:
        restores = node.op == "RestoreV2" and inputs.get(node.name, [None])[0] == fed
        return bool(function) or (node.name in found and not restores)

    return runs


def _node_name(tensor: str) -> str:
    """The node of ``NODE:1`` or of the control input ``^NODE``."""
    return tensor.lstrip("^").partition(":")[0]
