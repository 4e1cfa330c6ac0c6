"""What is looked at of a SavedModel before TensorFlow loads it: that its description is whole and no larger than
allowed, that one of its signatures takes one array of float32 and gives one, that all which that one needs is harmless
(`graph_def`), and that loading it runs nothing. Imports the protocol buffers of TensorFlow when one is looked at.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelyard.formats.saved_models import GRAPH_FILE
from steelyard_trainer.elsewhere.archive import MOST_EXPANDED_BYTES, RefusedError
from steelyard_trainer.elsewhere.graph_def import check_function

MOST_GRAPH_BYTES = 256 * 2**20
DEFAULT_SIGNATURE = "serving_default"
_INITIALIZES = "__saved_model_init_op"
_KINDS = frozenset({"user_object", "function", "bare_concrete_function", "variable", "constant", "captured_tensor"})
"""Of objects that loading makes without running anything; tables and assets are none of them."""
_REGISTERED = ("", "tf.TrackableConstant")
"""Names by which TensorFlow finds the class of an object."""
_BATCH = -1


@dataclass(frozen=True)
class Signature:
    """What is asked of a SavedModel."""

    name: str
    shape: tuple[int, ...]
    """Of one row."""
    outputs: int
    """Numbers that it gives of a row."""


def check_saved_model(folder: Path) -> Signature:
    """Looks through a SavedModel. Raises RefusedError where TensorFlow must not load it; OSError."""
    graph = _read(folder / GRAPH_FILE)
    signature = _signature(graph)
    _check_objects(graph)
    check_function(graph.graph_def, _function_of(graph, signature.name))
    return signature


def _read(path: Path) -> Any:
    """The MetaGraphDef that serves."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    if (size := path.stat().st_size) > MOST_GRAPH_BYTES:
        raise RefusedError(f"its {GRAPH_FILE} is {size:,} bytes; allowed: {MOST_GRAPH_BYTES:,}")
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString(path.read_bytes())
    except (DecodeError, RecursionError) as error:
        raise RefusedError(f"it is damaged or not whole: {GRAPH_FILE}: {error}") from None
    graphs = model.meta_graphs
    # Where there are several, TensorFlow loads it as TensorFlow 1 did, which runs what the file says.
    if len(graphs) != 1 or "serve" not in graphs[0].meta_info_def.tags:
        tags = " and ".join(str(list(each.meta_info_def.tags)) for each in graphs) or "none"
        raise RefusedError(f"it has {len(graphs)} graphs; allowed: one, with the tag 'serve'; its graphs' tags: {tags}")
    if not graphs[0].HasField("object_graph_def"):
        raise RefusedError("it was saved by TensorFlow 1; load it in TensorFlow 2, and save it again")
    return graphs[0]


def _signature(graph: Any) -> Signature:
    """The one that is asked: serving_default, or the only one there is."""
    found = {name: each for name, each in graph.signature_def.items() if name != _INITIALIZES}
    shown = "; ".join(
        f"{name} takes {_told(each.inputs)} and gives {_told(each.outputs)}" for name, each in found.items()
    )
    needed = (
        "one that takes one array of float32 of the shape (None, numbers of a row), or an image's, and gives one of "
        f"the shape (None, numbers); its signatures: {shown or 'none'}"
    )
    name = DEFAULT_SIGNATURE if DEFAULT_SIGNATURE in found else next(iter(found), "")
    if not name or (len(found) > 1 and name != DEFAULT_SIGNATURE):
        raise RefusedError(f"it has no signature {DEFAULT_SIGNATURE!r}, and not one alone; needed is {needed}")
    sides = [list(side.values()) for side in (found[name].inputs, found[name].outputs)]
    if any(len(side) != 1 for side in sides):
        raise RefusedError(f"its signature {name!r} does not fit; needed is {needed}")
    source, result = (_shape(side[0]) for side in sides)
    if source is None or result is None or len(source) < 2 or len(result) != 2:
        raise RefusedError(f"its signature {name!r} does not fit; needed is {needed}")
    if source[0] != _BATCH or min(*source[1:], result[1]) < 1:
        raise RefusedError(f"its signature {name!r} does not fit; needed is {needed}")
    return Signature(name, source[1:], result[1])


def _shape(tensor: Any) -> tuple[int, ...] | None:
    """With -1 for what is open; None where it is not float32, or not known."""
    from tensorflow.core.framework import types_pb2

    shape = tensor.tensor_shape
    is_array = tensor.WhichOneof("encoding") == "name" and tensor.dtype == types_pb2.DT_FLOAT
    return tuple(int(each.size) for each in shape.dim) if is_array and not shape.unknown_rank else None


def _told(tensors: Any) -> str:
    """Names, types and shapes, for people."""
    from tensorflow.core.framework import types_pb2

    def one(name: str, tensor: Any) -> str:
        try:
            kind = types_pb2.DataType.Name(tensor.dtype).removeprefix("DT_").lower()
        except ValueError:
            kind = "an unknown type"
        sizes = ["None" if each.size == _BATCH else str(each.size) for each in tensor.tensor_shape.dim]
        shape = "any shape" if tensor.tensor_shape.unknown_rank else f"({', '.join(sizes)})"
        return f"{name:.60} {'float32' if kind == 'float' else kind} {shape}"

    return ", ".join(one(name, each) for name, each in sorted(tensors.items())[:10]) or "nothing"


def _check_objects(graph: Any) -> None:
    """Refuses what loading would run, and variables that are too large."""
    from tensorflow import dtypes

    if graph.asset_file_def:
        raise RefusedError(
            "it reads other files (assets, such as vocabularies); allowed: numbers, as the table has them"
        )
    total = 0
    for node in graph.object_graph_def.nodes:
        kind = node.WhichOneof("kind")
        if kind not in _KINDS:
            raise RefusedError(f"it holds an object of the kind {kind}, such as a table of words; allowed: variables")
        if node.registered_name not in _REGISTERED or node.registered_saver or node.saveable_objects:
            raise RefusedError("it holds an object that is loaded by code of its own; allowed: variables")
        if kind == "variable":
            shape = [each.size for each in node.variable.shape.dim]
            if node.variable.shape.unknown_rank or any(size < 0 for size in shape):
                raise RefusedError(f"its variable {node.variable.name!r:.60} has no shape")
            try:
                total += math.prod(shape) * dtypes.as_dtype(node.variable.dtype).size
            except TypeError:
                raise RefusedError(f"its variable {node.variable.name!r:.60} is of an unknown type") from None
    if total > MOST_EXPANDED_BYTES:
        raise RefusedError(f"its variables take {total:,} bytes; allowed: {MOST_EXPANDED_BYTES:,}")


def _function_of(graph: Any, signature: str) -> str:
    """The function that TensorFlow calls for a signature, as its objects say it."""
    nodes = graph.object_graph_def.nodes
    try:
        holder = nodes[next(each.node_id for each in nodes[0].children if each.local_name == "signatures")]
        node = nodes[next(each.node_id for each in holder.children if each.local_name == signature)]
    except (IndexError, StopIteration):
        raise RefusedError(f"it is damaged: its signature {signature!r:.60} leads to no function") from None
    if node.WhichOneof("kind") != "bare_concrete_function":
        raise RefusedError(f"it is damaged: its signature {signature!r:.60} leads to no function")
    return str(node.bare_concrete_function.concrete_function_name)
