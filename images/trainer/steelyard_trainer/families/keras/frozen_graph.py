"""A SavedModel of which nothing is left but what it computes: a graph whose variables are constants, and a Keras model
that asks it. Imports TensorFlow and Keras.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from steelyard_trainer.elsewhere.archive import RefusedError
from steelyard_trainer.elsewhere.graph_def import check_graph
from steelyard_trainer.elsewhere.saved_model import Signature

_OF_WEIGHTS = frozenset(
    each.as_datatype_enum for each in (tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.int8, tf.uint8)
)
"""What weights are kept as; other types are settings of operators."""


class FrozenGraph(keras.Layer):  # type: ignore[misc]
    """A graph as a layer: it has no weights that could learn."""

    def __init__(self, graph: Any, source: str, result: str, outputs: int) -> None:
        super().__init__(name="graph", trainable=False)
        self.constants = sum(_numbers(node) for node in graph.node if node.op == "Const")
        self._outputs = outputs
        imported = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(graph, name=""), [])
        self._function = imported.prune(source, result)

    def call(self, inputs: Any) -> Any:
        """What the graph gives of rows."""
        return self._function(inputs)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        """(rows, outputs)."""
        return (shape[0], self._outputs)

    @classmethod
    def of(cls, content: bytes, document: Mapping[str, Any]) -> Self:
        """The layer of a graph's file.

        Args:
            content: a GraphDef, which is looked through.
            document: what `frozen` said of it.

        Raises:
            RefusedError: it is damaged, or has an operator that is not allowed.
        """
        graph = tf.compat.v1.GraphDef()
        try:
            graph.ParseFromString(content)
        except DecodeError as error:
            raise RefusedError(f"its graph is damaged: {error}") from None
        source, result = document["source"], document["result"]
        check_graph(graph, (each.partition(":")[0] for each in (source, result)))
        return cls(graph, source, result, int(document["outputs"]))


def frozen(folder: Path, signature: Signature) -> tuple[bytes, dict[str, Any]]:
    """A SavedModel that was looked through, loaded and made a graph of constants.

    Returns:
        The graph's file, and what is to be known of it.

    Raises:
        RefusedError: TensorFlow can't load it, or it is not what it says.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    try:
        # Its variables are there as long as it is.
        loaded = tf.saved_model.load(str(folder), tags=["serve"])
        made = convert_variables_to_constants_v2(loaded.signatures[signature.name])
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a foreign file makes of it
        raise RefusedError(
            f"TensorFlow {tf.__version__} can't load it, it may be damaged or not whole: {type(error).__name__}: "
            f"{' '.join(str(error).split())[:400]}"
        ) from None
    if len(made.inputs) != 1 or len(made.outputs) != 1:
        raise RefusedError(f"its signature {signature.name!r} takes or gives more than it says")
    graph = made.graph.as_graph_def()
    # What the function library still holds is not called any more.
    graph.ClearField("library")
    document = {
        "source": made.inputs[0].name,
        "result": made.outputs[0].name,
        "shape": list(signature.shape),
        "outputs": signature.outputs,
    }
    return graph.SerializeToString(deterministic=True), document


def graph_model(content: bytes, document: Mapping[str, Any]) -> keras.Model:
    """A graph's file as a model that takes float32 (rows, *shape). Raises RefusedError as `FrozenGraph.of`."""
    features = keras.Input(tuple(document["shape"]), name="features")
    return keras.Model(features, FrozenGraph.of(content, document)(features), name="graph_from_elsewhere")


def weights_of(model: keras.Model) -> int:
    """How many weights a network has, those that are constants of a graph counted."""
    graphs = [layer for layer in model._flatten_layers() if isinstance(layer, FrozenGraph)]
    return int(model.count_params()) + sum(graph.constants for graph in graphs)


def _numbers(node: Any) -> int:
    """Of a constant that is an array of a type in _OF_WEIGHTS."""
    tensor = node.attr["value"].tensor
    is_array = tensor.dtype in _OF_WEIGHTS and bool(tensor.tensor_shape.dim)
    return int(np.prod([each.size for each in tensor.tensor_shape.dim])) if is_array else 0
