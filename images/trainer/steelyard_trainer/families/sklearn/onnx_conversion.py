"""An estimator of scikit-learn as ONNX: trees by this family's own writers, which need fewer bytes, all others by
skl2onnx. Imports scikit-learn; skl2onnx and onnx when something is converted.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from steelyard.serving.estimators import ONNX_INPUT
from steelyard.serving.interface import TargetUnit
from steelyard_trainer.families.sklearn.boosting_onnx import boosting_to_onnx, is_boosting
from steelyard_trainer.families.sklearn.features import Matrix
from steelyard_trainer.families.sklearn.forests_onnx import forest_to_onnx, is_forest
from steelyard_trainer.families.sklearn.standardized import has_standardized_form, standardized
from steelyard_trainer.families.sklearn.tree_ensemble import ONNX_OUTPUT

# Of 2023: what is deployed anywhere understands it.
_OPSETS = {"": 18, "ai.onnx.ml": 3}


def to_onnx(
    estimator: Any,
    width: int,
    classes: int | None,
    unit: TargetUnit | None = None,
    read_learned: Callable[[], Matrix] | None = None,
) -> bytes:
    """The same model with one input, `features`, and one output, `outputs`: both float32, or, of gradient boosting
    whose answers that would change, float64.

    Args:
        estimator: fitted; for classification on indices of the classes.
        width: features.
        classes: how many the task has, maybe more than the estimator saw; None for regression.
        unit: regression: what a file in float32 gives the standardized target of; None: the target itself, as one in
            float64 does.
        read_learned: reads the features that it learned, which say whether float32 is enough for gradient boosting;
            None: it is not.

    Returns:
        The content of a .onnx file, the same for the same estimator.

    Raises:
        Exception: skl2onnx can't convert it; which exceptions that may be it does not say.
    """
    if is_boosting(estimator):
        return boosting_to_onnx(estimator, width, classes, unit, read_learned() if read_learned else None)
    if is_forest(estimator):
        return forest_to_onnx(estimator, width, classes, unit)
    after: TargetUnit | None = None
    if unit is not None and has_standardized_form(estimator):
        estimator = standardized(estimator, unit)
    elif unit is not None:
        after = unit
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
    if after is not None:
        _add_standardization(model.graph, after)
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


def _add_standardization(graph: Any, unit: TargetUnit) -> None:
    """Shifts and scales the answers of an estimator that has no other form of it."""
    from onnx import helper, numpy_helper

    source = graph.output[0].name
    for name, kind, value in (("shifted", "Sub", unit.mean), ("standardized", "Div", unit.scale)):
        graph.initializer.append(numpy_helper.from_array(np.array([value], np.float32), f"{name}_by"))
        graph.node.append(helper.make_node(kind, [source, f"{name}_by"], [name]))
        source = name
    graph.output[0].name = source


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
