"""scikit-learn's histogram-based gradient boosting as ONNX, to the last bits of float64. Imports scikit-learn, and onnx
when it writes.

skl2onnx does not convert these models with today's onnx. The trees become one `TreeEnsemble` of ai.onnx.ml, version 5,
whose thresholds, leaves and inputs are float64 (https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html).
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from steelyard.serving.estimators import ONNX_INPUT

ONNX_OUTPUT = "outputs"
_OPSETS = {"": 21, "ai.onnx.ml": 5}
_IR_VERSION = 10
# Of the specification's `nodes_modes`.
_LESS_OR_EQUAL, _MEMBER = 0, 6
_SUM, _NO_TRANSFORM = 1, 0


@dataclass
class _Trees:
    """The attributes of a TreeEnsemble, as they grow; one entry a node, or a leaf."""

    roots: list[int] = field(default_factory=list)
    features: list[int] = field(default_factory=list)
    modes: list[int] = field(default_factory=list)
    thresholds: list[float] = field(default_factory=list)
    missing_is_true: list[int] = field(default_factory=list)
    true_ids: list[int] = field(default_factory=list)
    true_is_leaf: list[int] = field(default_factory=list)
    false_ids: list[int] = field(default_factory=list)
    false_is_leaf: list[int] = field(default_factory=list)
    members: list[float] = field(default_factory=list)
    """The sets of the nodes of mode _MEMBER, in their order, a NaN behind each."""
    leaves: list[float] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)

    def add(self, predictor: Any, known: list[npt.NDArray[np.bool_]], target: int) -> None:
        """Takes in a tree.

        Args:
            predictor: scikit-learn's TreePredictor.
            known: of each feature, which categories training saw; empty for a number.
            target: the output that its leaves are added to.
        """
        nodes = predictor.nodes
        self.roots.append(len(self.features))
        if nodes[0]["is_leaf"]:
            # A tree must begin with a node: both of its sides are the leaf.
            self._node(0, _LESS_OR_EQUAL, 0.0, missing_is_true=True)
            leaf = self._leaf(nodes[0]["value"], target)
            self._set_sides(-1, (leaf, 1), (leaf, 1))
            return
        places: dict[int, int] = {}
        inner = [index for index in range(len(nodes)) if not nodes[index]["is_leaf"]]
        for index in inner:
            places[index] = len(self.features)
            self._split(nodes[index], predictor, known)
        for index in inner:
            left, right = (self._side(nodes, int(nodes[index][name]), places, target) for name in ("left", "right"))
            is_swapped = nodes[index]["is_categorical"] and nodes[index]["missing_go_to_left"]
            self._set_sides(places[index], *((right, left) if is_swapped else (left, right)))

    def _split(self, node: Any, predictor: Any, known: list[npt.NDArray[np.bool_]]) -> None:
        feature = int(node["feature_idx"])
        if not node["is_categorical"]:
            is_true = bool(node["missing_go_to_left"])
            self._node(feature, _LESS_OR_EQUAL, float(node["num_threshold"]), missing_is_true=is_true)
            return
        left = _bits(predictor.raw_left_cat_bitsets[node["bitset_idx"]])
        # What is missing, or a category that training never saw, must not be in the set.
        inside = known[feature] & ~left if node["missing_go_to_left"] else left
        self._node(feature, _MEMBER, 0.0, missing_is_true=False)
        self.members += [*np.flatnonzero(inside).astype(float).tolist(), math.nan]

    def _side(self, nodes: Any, index: int, places: dict[int, int], target: int) -> tuple[int, int]:
        """(id, whether it is a leaf's) of a node below."""
        return (self._leaf(nodes[index]["value"], target), 1) if nodes[index]["is_leaf"] else (places[index], 0)

    def _node(self, feature: int, mode: int, threshold: float, *, missing_is_true: bool) -> None:
        self.features.append(feature)
        self.modes.append(mode)
        self.thresholds.append(threshold)
        self.missing_is_true.append(int(missing_is_true))
        for sides in (self.true_ids, self.true_is_leaf, self.false_ids, self.false_is_leaf):
            sides.append(0)

    def _leaf(self, value: float, target: int) -> int:
        self.leaves.append(float(value))
        self.targets.append(target)
        return len(self.leaves) - 1

    def _set_sides(self, place: int, true: tuple[int, int], false: tuple[int, int]) -> None:
        self.true_ids[place], self.true_is_leaf[place] = true
        self.false_ids[place], self.false_is_leaf[place] = false

    def attributes(self, outputs: int) -> dict[str, Any]:
        """Those of the operator."""
        members = {"membership_values": _tensor(self.members, np.float64)} if self.members else {}
        return {
            "aggregate_function": _SUM,
            "post_transform": _NO_TRANSFORM,
            "n_targets": outputs,
            "tree_roots": self.roots,
            "nodes_featureids": self.features,
            "nodes_modes": _tensor(self.modes, np.uint8),
            "nodes_splits": _tensor(self.thresholds, np.float64),
            "nodes_missing_value_tracks_true": self.missing_is_true,
            "nodes_truenodeids": self.true_ids,
            "nodes_trueleafs": self.true_is_leaf,
            "nodes_falsenodeids": self.false_ids,
            "nodes_falseleafs": self.false_is_leaf,
            "leaf_targetids": self.targets,
            "leaf_weights": _tensor(self.leaves, np.float64),
            **members,
        }


def is_boosting(estimator: Any) -> bool:
    """Whether it is a model that `boosting_to_onnx` takes."""
    return isinstance(estimator, HistGradientBoostingClassifier | HistGradientBoostingRegressor)


def boosting_to_onnx(estimator: Any, width: int, classes: int | None) -> bytes:
    """The same model in float64, with one input, `features`, and one output, `outputs`.

    Args:
        estimator: a fitted HistGradientBoostingClassifier or -Regressor without a preprocessor of its own; for
            classification on indices of the classes.
        width: features.
        classes: how many the task has, maybe more than the estimator saw; None for regression.

    Returns:
        The content of a .onnx file, the same for the same estimator. Its outputs are scikit-learn's, but for the order
        in which the trees are added up.
    """
    from onnx import TensorProto, helper, numpy_helper

    known = _known_categories(estimator, width)
    trees = _Trees()
    for iteration in estimator._predictors:
        for target, predictor in enumerate(iteration):
            trees.add(predictor, known, target)
    raw = int(estimator.n_trees_per_iteration_)
    constants = {"baseline": np.asarray(estimator._baseline_prediction, dtype=np.float64).reshape(1, raw)}
    nodes = [
        helper.make_node("TreeEnsemble", [ONNX_INPUT], ["trees"], domain="ai.onnx.ml", **trees.attributes(raw)),
        helper.make_node("Add", ["trees", "baseline"], ["raw" if classes is not None else ONNX_OUTPUT]),
    ]
    if classes is not None:
        seen = np.asarray(estimator.classes_, dtype=np.int64)
        is_complete = len(seen) == classes
        probabilities = ONNX_OUTPUT if is_complete else "seen"
        nodes += _probabilities(raw, probabilities, constants)
        if not is_complete:
            constants["places"] = np.eye(classes)[seen]
            nodes.append(helper.make_node("MatMul", ["seen", "places"], [ONNX_OUTPUT]))
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info(ONNX_INPUT, TensorProto.DOUBLE, [None, width])],
        [helper.make_tensor_value_info(ONNX_OUTPUT, TensorProto.DOUBLE, [None, classes or 1])],
        initializer=[numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS.items()]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="steelyard")
    return bytes(model.SerializeToString())


def _probabilities(raw: int, output: str, constants: dict[str, npt.NDArray[Any]]) -> list[Any]:
    """From raw predictions to probabilities by class; two classes have one raw prediction, of the second."""
    from onnx import helper

    if raw > 1:
        return [helper.make_node("Softmax", ["raw"], [output], axis=1)]
    constants["one"] = np.ones((1, 1))
    return [
        helper.make_node("Sigmoid", ["raw"], ["second"]),
        helper.make_node("Sub", ["one", "second"], ["first"]),
        helper.make_node("Concat", ["first", "second"], [output], axis=1),
    ]


def _known_categories(estimator: Any, width: int) -> list[npt.NDArray[np.bool_]]:
    """Of each feature, which categories training saw; empty for a number."""
    bits, places = estimator._bin_mapper.make_known_categories_bitsets()
    is_categorical = estimator.is_categorical_
    nothing = np.zeros(0, dtype=np.bool_)
    if is_categorical is None:
        return [nothing] * width
    return [_bits(bits[places[feature]]) if is_categorical[feature] else nothing for feature in range(width)]


def _bits(bitset: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    """scikit-learn's set of categories below 256, shape (8,), as shape (256,)."""
    words = np.asarray(bitset, dtype="<u4")
    return np.unpackbits(words.view(np.uint8), bitorder="little").astype(np.bool_)


def _tensor(values: list[Any], kind: Any) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(np.asarray(values, dtype=kind))
