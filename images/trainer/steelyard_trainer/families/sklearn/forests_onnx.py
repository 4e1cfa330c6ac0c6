"""A forest as ONNX in float32: one `TreeEnsemble`. Imports scikit-learn and numpy, and onnx when it writes.

scikit-learn's trees compare float32 with their thresholds, so nothing is lost by float32 there. A leaf of the operator
has one number for one target. So it is what says the same in the fewest bytes: of a regression the number; of two
classes the probability of the second; of more the class, where every leaf is of one class; else the place of the leaf's
probabilities in a table, in steps of 1/65,535, whose sums are exact in float32.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from steelyard.serving.interface import TargetUnit
from steelyard_trainer.families.sklearn.tree_ensemble import ONNX_OUTPUT, TREES, Side, TreeEnsemble, model_bytes

_STEPS = np.iinfo(np.uint16).max
Values = list[npt.NDArray[Any]]
"""Of each tree, what each of its nodes says as a leaf; shape (nodes,) or (nodes, classes)."""


def is_forest(estimator: Any) -> bool:
    """Whether it is a model that `forest_to_onnx` takes."""
    return isinstance(estimator, RandomForestClassifier | RandomForestRegressor)


def forest_to_onnx(estimator: Any, width: int, classes: int | None, unit: TargetUnit | None) -> bytes:
    """The same model in float32, with one input, `features`, and one output, `outputs`.

    Args:
        estimator: a fitted RandomForestClassifier or -Regressor; for classification on indices of the classes.
        width: features.
        classes: how many the task has, maybe more than the estimator saw; None for regression.
        unit: regression: what the file gives the standardized target of; None: the target itself.

    Returns:
        The content of a .onnx file, the same for the same estimator.
    """
    values: Values = [tree.tree_.value[:, 0, :] for tree in estimator.estimators_]
    if classes is None:
        numbers = [each[:, 0] if unit is None else unit.standardized(each[:, 0]) for each in values]
        return model_bytes(_mean(estimator, numbers), [], {}, width, 1)
    seen = np.asarray(estimator.classes_, dtype=np.int64)
    if len(seen) == classes == 2:
        return _of_two(_mean(estimator, [each[:, 1] for each in values]), width)
    leaves = [each[tree.tree_.children_left < 0] for tree, each in zip(estimator.estimators_, values, strict=True)]
    if all((each.max(axis=1) == 1).all() for each in leaves):
        return model_bytes(_votes(estimator, values, seen, classes), [], {}, width, classes)
    return _of_many(estimator, values, seen, classes, width)


def _mean(estimator: Any, values: Values) -> TreeEnsemble:
    """The mean of the trees' numbers."""
    trees = TreeEnsemble(np.float32, 1, is_mean=True)
    for tree, numbers in zip(estimator.estimators_, values, strict=True):
        _grow(trees, tree.tree_, [trees.leaf(number) for number in numbers.tolist()])
    return trees


def _of_two(trees: TreeEnsemble, width: int) -> bytes:
    """From the probability of the second class to both."""
    from onnx import helper

    nodes = [
        helper.make_node("Sub", ["one", TREES], ["first"]),
        helper.make_node("Concat", ["first", TREES], [ONNX_OUTPUT], axis=1),
    ]
    return model_bytes(trees, nodes, {"one": np.ones((1, 1), np.float32)}, width, 2)


def _votes(estimator: Any, values: Values, seen: npt.NDArray[np.int64], classes: int) -> TreeEnsemble:
    """The share of the trees that say each class."""
    trees = TreeEnsemble(np.float32, classes, is_mean=True)
    for tree, probabilities in zip(estimator.estimators_, values, strict=True):
        _grow(trees, tree.tree_, [trees.leaf(1.0, label) for label in seen[probabilities.argmax(axis=1)].tolist()])
    return trees


def _of_many(estimator: Any, values: Values, seen: npt.NDArray[np.int64], classes: int, width: int) -> bytes:
    """From the rows of a table that the trees name to the mean of these rows."""
    from onnx import TensorProto, helper

    trees = TreeEnsemble(np.float32, len(values))
    rows: dict[bytes, int] = {}
    for target, (tree, probabilities) in enumerate(zip(estimator.estimators_, values, strict=True)):
        all_classes = np.zeros((len(probabilities), classes), np.uint16)
        all_classes[:, seen] = np.round(probabilities * _STEPS)
        is_leaf = tree.tree_.children_left < 0
        leaves = [
            trees.leaf(rows.setdefault(row.tobytes(), len(rows)), target) if ends else (0, True)
            for row, ends in zip(all_classes, is_leaf, strict=True)
        ]
        _grow(trees, tree.tree_, leaves)
    nodes = [
        helper.make_node("Cast", [TREES], ["places"], to=TensorProto.INT32),
        helper.make_node("Gather", ["table", "places"], ["rows"]),
        helper.make_node("Cast", ["rows"], ["steps"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["steps", "over_trees"], ["sums"], keepdims=0),
        helper.make_node("Mul", ["sums", "step"], [ONNX_OUTPUT]),
    ]
    constants = {
        "table": np.frombuffer(b"".join(rows), np.uint16).reshape(-1, classes),
        "over_trees": np.array([1]),
        "step": np.array(1 / (_STEPS * len(values)), np.float32),
    }
    return model_bytes(trees, nodes, constants, width, classes)


def _grow(trees: TreeEnsemble, tree: Any, leaves: list[Side]) -> None:
    """Adds a tree of scikit-learn.

    Args:
        trees: where to.
        tree: its `tree_`.
        leaves: what each of its nodes is as a leaf.
    """
    lefts, rights = tree.children_left.tolist(), tree.children_right.tolist()
    features, thresholds = tree.feature.tolist(), at_most(tree.threshold).tolist()
    sides = list(leaves)
    # A node comes before those below it.
    for node in reversed(range(len(lefts))):
        if lefts[node] >= 0:
            sides[node] = trees.split(features[node], thresholds[node], sides[lefts[node]], sides[rights[node]])
    trees.tree(sides[0])


def at_most(thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The largest float32 that is not above a threshold: it leaves every float32 on its side."""
    near = thresholds.astype(np.float32)
    return np.where(near <= thresholds, near, np.nextafter(near, np.float32(-np.inf)))
