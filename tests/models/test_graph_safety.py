"""SavedModels that would do something, and all those that must pass."""

import functools
import logging
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from tensorflow.core.framework import op_def_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.client import pywrap_tf_session

from tfblindspots.errors import InputError
from tfblindspots.models import export_saved_model, load_classifier, load_layer
from tfblindspots.models.graph_safety import _REACHING, check_saved_model

_IMAGES = tf.TensorSpec([None, 2, 2, 1], tf.float32, name="images")
_ZEROS = np.zeros((1, 2, 2, 1), np.float32)


def _flat(images: tf.Tensor) -> tf.Tensor:
    return tf.reshape(images, [-1, 4])


def _save(directory: Path, function: Callable[[tf.Tensor], tf.Tensor]) -> Path:
    module = tf.Module()
    signature = tf.function(function, input_signature=[_IMAGES], autograph=False)
    tf.saved_model.save(module, directory, signatures={"serving_default": signature})
    return directory


def _writes(marker: Path, images: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies([tf.io.write_file(str(marker), "here")]):
        return _flat(images)


def _nested(marker: Path, images: tf.Tensor) -> tf.Tensor:
    """In a function that a function calls in one branch."""
    inner = tf.function(lambda x: _writes(marker, x), autograph=False)
    outer = tf.function(lambda x: inner(x), autograph=False)
    return tf.cond(tf.size(images) > 0, lambda: outer(images), lambda: _flat(images))


def _in_gradient(marker: Path, images: tf.Tensor) -> tf.Tensor:
    """Only when the model is attacked."""

    @tf.custom_gradient
    def identity(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            with tf.control_dependencies([tf.io.write_file(str(marker), "here")]):
                return tf.identity(upstream)

        return tf.identity(x), gradient

    return _flat(identity(images))


def _saves(marker: Path, images: tf.Tensor) -> tf.Tensor:
    """With the operation that every SavedModel has for saving its variables."""
    saved = tf.raw_ops.SaveV2(
        prefix=str(marker), tensor_names=["a"], shape_and_slices=[""], tensors=[tf.zeros([1])]
    )
    with tf.control_dependencies([saved]):
        return _flat(images)


def _prints(marker: Path, images: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies([tf.print("here", output_stream=f"file://{marker}")]):
        return _flat(images)


def _reads(marker: Path, images: tf.Tensor) -> tf.Tensor:
    secret = tf.strings.length(tf.io.read_file(str(Path(__file__))))
    return _flat(images) + tf.cast(secret, tf.float32)


def _summarizes(marker: Path, images: tf.Tensor) -> tf.Tensor:
    writer = tf.raw_ops.SummaryWriter()
    tf.raw_ops.CreateSummaryFileWriter(
        writer=writer, logdir=str(marker), max_queue=1, flush_millis=1, filename_suffix=""
    )
    return _flat(images)


def _reads_records(marker: Path, images: tf.Tensor) -> tf.Tensor:
    lines = tf.data.TextLineDataset(str(Path(__file__))).take(1).get_single_element()
    return _flat(images) + tf.cast(tf.strings.length(lines), tf.float32)


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (_writes, r"WriteFile in its function __inference_\S+, which writes files"),
        (_nested, r"WriteFile in its function __inference_\S+, which writes files"),
        (_in_gradient, r"WriteFile in its function __inference_\S+, which writes files"),
        (_saves, r"SaveV2 in its function __inference_\S+, which writes files"),
        (_prints, r"PrintV2 in its function __inference_\S+, which writes files"),
    ],
)
def test_operations_that_write_are_refused(
    function: Callable[[Path, tf.Tensor], tf.Tensor], operation: str, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    path = _save(tmp_path / "evil", functools.partial(function, marker))
    message = (
        rf"^model .*/evil has the operation {operation}; it could do anything on this machine and "
        r"is not loaded\. If you trust who made it, give --allow_unsafe \(in Python "
        r"allow_unsafe=True\)\.$"
    )
    with pytest.raises(InputError, match=message):
        load_classifier(path)
    assert not list(tmp_path.glob("marker*"))
    # It is no empty threat.
    classifier = load_classifier(path, allow_unsafe=True)
    images = tf.constant(_ZEROS)
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = classifier.logits(images)
    tape.gradient(logits, images)
    assert list(tmp_path.glob("marker*"))


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (_reads, "ReadFile in its function .*, which reads files"),
        (_summarizes, "CreateSummaryFileWriter in its function .*, which writes files|SummaryWr"),
        (_reads_records, r"\w*Dataset\w* in its function .*, which reads files"),
        (
            lambda marker, x: _flat(tf.numpy_function(lambda y: y, [x], tf.float32, False)),
            "PyFuncStateless in its function .*, which runs Python",
        ),
        (
            lambda marker, x: _flat(tf.py_function(lambda y: y, [x], tf.float32)),
            "EagerPyFunc in its function .*, which runs Python",
        ),
    ],
)
def test_operations_that_reach_out_are_refused(
    function: Callable[[Path, tf.Tensor], tf.Tensor], operation: str, tmp_path: Path
) -> None:
    path = _save(tmp_path / "evil", functools.partial(function, tmp_path / "marker"))
    with pytest.raises(InputError, match=f"^model .*/evil has the operation ({operation})"):
        load_classifier(path)


class _Initialized(tf.Module):
    """A table that is filled from a file when the model is loaded."""

    def __init__(self, source: Path) -> None:
        super().__init__()
        lines = tf.lookup.TextFileInitializer(
            str(source),
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        )
        self.table = tf.lookup.StaticHashTable(lines, -1)


def test_initializers_and_layers_are_looked_into(tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("a\nb\n")
    module = _Initialized(tmp_path / "lines")
    module.call = tf.function(
        lambda images: _flat(images) + tf.cast(module.table.size(), tf.float32),
        input_signature=[_IMAGES],
        autograph=False,
    )
    tf.saved_model.save(module, tmp_path / "table", {"activations": module.call})
    message = "has the operation InitializeTableFromTextFileV2 in its function .*, which reads f"
    with pytest.raises(InputError, match=message):
        load_classifier(tmp_path / "table")
    with pytest.raises(InputError, match=message):
        load_layer(tmp_path / "table", "output_0")
    assert load_layer(tmp_path / "table", "output_0", allow_unsafe=True).size == 4


def _edited(path: Path, edit: Callable[[saved_model_pb2.SavedModel], None]) -> Path:
    file = path / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    edit(model)
    file.write_bytes(model.SerializeToString())
    return path


class _Saving(tf.saved_model.experimental.TrackableResource):
    """Writes a file when it is loaded, with the operation that saves variables."""

    def __init__(self, marker: Path) -> None:
        super().__init__()
        self.marker = str(marker)

    def _create_resource(self) -> tf.Tensor:
        return tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name="saving")

    def _initialize(self) -> None:
        tf.raw_ops.SaveV2(
            prefix=self.marker, tensor_names=["a"], shape_and_slices=[""], tensors=[tf.zeros([1])]
        )

    def _destroy_resource(self) -> None:
        pass


def _only_bare(model: saved_model_pb2.SavedModel) -> None:
    """Names the function that initialises nowhere but in a bare function, which the loader calls.

    There is then no list of its captured tensors either, so it must not have outputs.
    """
    graph = model.meta_graphs[0]
    objects = graph.object_graph_def
    (name,) = [name for name in objects.concrete_functions if "initializer" in name]
    del objects.concrete_functions[name]
    bare = next(
        number
        for number, node in enumerate(objects.nodes)
        if node.bare_concrete_function.concrete_function_name == name
    )
    objects.nodes[bare].bare_concrete_function.ClearField("function_spec")
    for node in objects.nodes:
        if name in node.function.concrete_functions:
            del node.function.concrete_functions[:]
        for child in node.children:
            if child.local_name in ("_initialize", "_initializer"):
                child.node_id = bare
    (function,) = [f for f in graph.graph_def.library.function if f.signature.name == name]
    (saves,) = [node.name for node in function.node_def if node.op == "SaveV2"]
    del function.signature.output_arg[:], function.signature.control_output[:]
    function.ret.clear()
    function.control_ret.clear()
    function.control_ret["saves"] = saves
    function.signature.control_output.append("saves")


def _saving(directory: Path) -> Path:
    module = tf.Module()
    module.saving = _Saving(directory / "marker")
    module.call = tf.function(_flat, input_signature=[_IMAGES], autograph=False)
    tf.saved_model.save(module, directory / "evil", {"serving_default": module.call})
    return directory / "evil"


def test_saving_is_no_pretext_where_the_loader_initialises(tmp_path: Path) -> None:
    path = _edited(_saving(tmp_path), _only_bare)
    for marker in tmp_path.glob("marker*"):
        marker.unlink()
    with pytest.raises(InputError, match=r"has the operation SaveV2 in its function .*initializ"):
        load_classifier(path)
    assert not list(tmp_path.glob("marker*"))
    tf.saved_model.load(path)  # It is no empty threat.
    assert list(tmp_path.glob("marker*"))


@pytest.mark.parametrize("hides", ["api_implements", "nested", "text"])
def test_saving_is_no_pretext_where_a_call_is_hidden(hides: str, tmp_path: Path) -> None:
    """In the attributes of a function, of a function's attribute, and in plain text."""

    def edit(model: saved_model_pb2.SavedModel) -> None:
        library = model.meta_graphs[0].graph_def.library
        (saves,) = [f for f in library.function if "traced_save" in f.signature.name]
        (calls,) = [f for f in library.function if "signature_wrapper" in f.signature.name]
        if hides == "api_implements":
            calls.attr[hides].s = saves.attr[hides].s = b"same"
        elif hides == "nested":
            inner = calls.node_def[0].attr["f"].func
            inner.attr["body"].func.name = saves.signature.name
        else:
            calls.node_def[0].attr["text"].s = saves.signature.name.encode()

    path = _save(tmp_path / "model", _flat)
    check_saved_model(path)
    with pytest.raises(InputError, match=r"has the operation .*V2.* in its function .*traced_save"):
        check_saved_model(_edited(path, edit))


def test_printing_to_the_terminal_and_the_time_pass(tmp_path: Path) -> None:
    def prints(images: tf.Tensor) -> tf.Tensor:
        with tf.control_dependencies([tf.print("seen"), tf.print("x", output_stream=logging.INFO)]):
            return _flat(images) + 0 * tf.cast(tf.timestamp(), tf.float32)

    assert load_classifier(_save(tmp_path / "prints", prints)).num_classes == 4


def test_assets_stay_inside(tmp_path: Path) -> None:
    def climb(model: saved_model_pb2.SavedModel) -> None:
        model.meta_graphs[0].asset_file_def.add(filename="../../../etc/passwd")

    path = _edited(_save(tmp_path / "evil", _flat), climb)
    with pytest.raises(InputError, match=r"evil has an asset outside its directory, \.\./\.\./"):
        load_classifier(path)


def test_unknown_operations_are_refused_whatever_they_are_called(tmp_path: Path) -> None:
    def rename(model: saved_model_pb2.SavedModel) -> None:
        for function in model.meta_graphs[0].graph_def.library.function:
            for node in function.node_def:
                node.op = "MyOwn" if node.op == "Reshape" else node.op

    path = _edited(_save(tmp_path / "odd", _flat), rename)
    with pytest.raises(InputError, match=r"the operation MyOwn in .*, which is unknown to this"):
        load_classifier(path)

    def hide(model: saved_model_pb2.SavedModel) -> None:
        """A function of the library that is called like an operation."""
        library = model.meta_graphs[0].graph_def.library
        library.function.add().signature.name = "WriteFile"
        library.function[0].node_def.add(name="hidden", op="WriteFile")

    path = _edited(_save(tmp_path / "hidden", _flat), hide)
    with pytest.raises(InputError, match=r"has the operation WriteFile in .*, which writes files"):
        load_classifier(path)


def _version_1(directory: Path, evil: bool) -> Path:
    """As TensorFlow 1 saves a model with a variable."""
    v1 = tf.compat.v1
    with v1.Graph().as_default(), v1.Session() as session:
        images = v1.placeholder(tf.float32, [None, 2, 2, 1])
        weights = v1.get_variable("weights", [4], use_resource=True)
        outputs = {"logits": _flat(images) * weights}
        if evil:
            with v1.control_dependencies([tf.io.write_file(str(directory) + "-marker", "here")]):
                outputs = {"logits": tf.identity(outputs["logits"])}
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(directory), {"images": images}, outputs)
    return directory


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_models_of_tensorflow_1(tmp_path: Path) -> None:
    path = _version_1(tmp_path / "kind", evil=False)
    assert load_classifier(path).num_classes == 4

    # Restores from a file of its own choice.
    def redirect(model: saved_model_pb2.SavedModel) -> None:
        nodes = model.meta_graphs[0].graph_def.node
        (restore,) = [node for node in nodes if node.op == "RestoreV2"]
        restore.input[0] = next(node.name for node in nodes if node.op == "Const")

    with pytest.raises(InputError, match="has the operation RestoreV2, which reads files"):
        load_classifier(_edited(path, redirect))
    with pytest.raises(InputError, match="has the operation WriteFile, which writes files"):
        load_classifier(_version_1(tmp_path / "evil", evil=True))
    assert not list(tmp_path.glob("*-marker"))


def test_ordinary_models_pass(tmp_path: Path) -> None:
    """With layers that keep states, draw random numbers and call functions."""
    images = keras.Input((4, 4, 2))
    values = keras.layers.Conv2D(4, 3, groups=2, padding="same")(images)
    values = keras.layers.BatchNormalization()(values)
    values = keras.layers.GRU(3)(keras.layers.Reshape((16, 4))(values))
    model = keras.Model(images, keras.layers.Dense(2)(values))
    export_saved_model(model, tmp_path / "own", {"kind": "saved_model"})
    model.export(tmp_path / "keras", verbose=False)
    legacy = tf_keras.Sequential(
        [
            tf_keras.layers.Input((4, 4, 2)),
            tf_keras.layers.BatchNormalization(),
            tf_keras.layers.Dropout(0.5),
            tf_keras.layers.Flatten(),
        ]
    )
    legacy.compile("adam", "mse")
    legacy.save(tmp_path / "keras_2", save_format="tf")
    shipped = Path(__file__).parents[2] / "saved_models"
    paths = [*tmp_path.iterdir(), *shipped.glob("*/*/")]
    assert len(paths) >= 17
    for path in paths:
        check_saved_model(path)


# Operations without state whose names or arguments speak of files, addresses or the like.
_SUSPICIOUS = ("file", "path", "url", "address", "descriptor", "graph_def", "region", "debug_op")
_HARMLESS = {
    "CTCBeamSearchDecoder",  # top_paths, a number
    "ShardedFilename",  # text
    "ShardedFilespec",  # text
}


def test_every_stateless_operation_that_speaks_of_files_is_judged() -> None:
    """A new TensorFlow may bring new ones."""
    serialized = pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList())
    for operation in op_def_pb2.OpList.FromString(serialized).op:
        words = [operation.name, *(part.name for part in (*operation.attr, *operation.input_arg))]
        if operation.is_stateful or operation.name in _HARMLESS:
            continue
        if any(word in text.lower() for text in words for word in _SUSPICIOUS):
            assert _REACHING.fullmatch(operation.name), operation.name
