"""An estimator of scikit-learn as ONNX. Imports skl2onnx and onnx, both when something is converted."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from steelyard.serving.estimators import ONNX_INPUT
from steelyard_trainer.families.sklearn.boosting_onnx import ONNX_OUTPUT, boosting_to_onnx, is_boosting

# Of 2023: what is deployed anywhere understands it.
_OPSETS = {"": 18, "ai.onnx.ml": 3}


def to_onnx(estimator: Any, width: int, classes: int | None) -> bytes:
    """The same model in float32, gradient boosting in float64, with one input, `features`, and one output, `outputs`.

    Args:
        estimator: fitted; for classification on indices of the classes.
        width: features.
        classes: how many the task has, maybe more than the estimator saw; None for regression.

    Returns:
        The content of a .onnx file, the same for the same estimator.

    Raises:
        Exception: skl2onnx can't convert it; which exceptions that may be it does not say.
    """
    if is_boosting(estimator):
        return boosting_to_onnx(estimator, width, classes)
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from skl2onnx.helpers.onnx_helper import select_model_inputs_outputs

    model = convert_sklearn(
        estimator,
        "model",
        [(ONNX_INPUT, FloatTensorType([None, width]))],
        options=None if classes is None else {id(estimator): {"zipmap": False}},
        target_opset=_OPSETS,
    )
    # A classifier's first output is the label, which is not needed: the class of the largest probability.
    model = select_model_inputs_outputs(model, outputs=[model.graph.output[-1].name])
    if classes is not None and len(estimator.classes_) < classes:
        _add_unseen_classes(model.graph, np.asarray(estimator.classes_), classes)
    _remove_unused(model.graph)
    _rename(model.graph)
    _set_output_shape(model.graph, classes or 1)
    return bytes(model.SerializeToString())


def _add_unseen_classes(graph: Any, seen: Any, classes: int) -> None:
    """Multiplies the probabilities by a matrix of zeros and ones, which puts each where it belongs."""
    from onnx import helper, numpy_helper

    places = np.zeros((len(seen), classes), dtype=np.float32)
    places[np.arange(len(seen)), seen] = 1
    graph.initializer.append(numpy_helper.from_array(places, "places_of_classes"))
    graph.node.append(helper.make_node("MatMul", [graph.output[0].name, "places_of_classes"], ["all_classes"]))
    graph.output[0].name = "all_classes"


def _remove_unused(graph: Any) -> None:
    """Removes the constants that only the label needed."""
    used = {name for each in _graphs(graph) for node in each.node for name in node.input}
    kept = [initializer for initializer in graph.initializer if initializer.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _rename(graph: Any) -> None:
    """Numbers the values in the order of their appearance: skl2onnx counts on over all models of a process."""
    names = {"": "", ONNX_INPUT: ONNX_INPUT, graph.output[0].name: ONNX_OUTPUT}

    def short(name: str) -> str:
        return names.setdefault(name, f"v{len(names)}")

    for each in _graphs(graph):
        for value in (*each.input, *each.initializer, *each.output):
            value.name = short(value.name)
        for node in each.node:
            node.name = ""
            node.input[:] = [short(name) for name in node.input]
            node.output[:] = [short(name) for name in node.output]
        del each.value_info[:]
    for each in list(_graphs(graph))[1:]:
        each.name = "body"


def _set_output_shape(graph: Any, outputs: int) -> None:
    """Says how many outputs a row has: skl2onnx often leaves it open."""
    from onnx import TensorProto, helper

    shape = helper.make_tensor_value_info(ONNX_OUTPUT, TensorProto.FLOAT, [None, outputs])
    graph.output[0].CopyFrom(shape)


def _graphs(graph: Any) -> Iterator[Any]:
    """The graph and those in its nodes, such as a loop's body."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)
