"""scikit-learn's histogram-based gradient boosting as ONNX: one `TreeEnsemble`. Imports scikit-learn and numpy, and
onnx when it writes.

It computes in float32 where that leaves every row that was learned on its side of every threshold, else in float64,
as scikit-learn does.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from steelyard.serving.interface import TargetUnit
from steelyard_trainer.families.sklearn.features import Matrix
from steelyard_trainer.families.sklearn.tree_ensemble import (
    ONNX_OUTPUT,
    TREES,
    Number,
    Side,
    TreeEnsemble,
    model_bytes,
)


def is_boosting(estimator: Any) -> bool:
    """Whether it is a model that `boosting_to_onnx` takes."""
    return isinstance(estimator, HistGradientBoostingClassifier | HistGradientBoostingRegressor)


def boosting_to_onnx(
    estimator: Any, width: int, classes: int | None, unit: TargetUnit | None = None, learned: Matrix | None = None
) -> bytes:
    """The same model with one input, `features`, and one output, `outputs`, both float32 or both float64.

    Args:
        estimator: a fitted HistGradientBoostingClassifier or -Regressor without a preprocessor of its own; for
            classification on indices of the classes.
        width: features.
        classes: how many the task has, maybe more than the estimator saw; None for regression.
        unit: regression: what a file in float32 gives the standardized target of; None: the target itself, as a file
            in float64 does.
        learned: the rows that it learned, shape (rows, width), which say whether float32 is enough; None: it is not.

    Returns:
        The content of a .onnx file, the same for the same arguments. Its outputs are scikit-learn's, but for the order
        in which the trees are added up, and for the rounding of float32.
    """
    if classes is None and (loss := getattr(estimator, "loss", "squared_error")) in ("poisson", "gamma"):
        raise ValueError(f"its loss is {loss}, whose answers are powers of e of what the trees say")
    number: Number = np.float32 if learned is not None and float32_is_enough(estimator, learned) else np.float64
    raw = int(estimator.n_trees_per_iteration_)
    baseline = np.asarray(estimator._baseline_prediction, dtype=np.float64).reshape(1, raw)
    scale = 1.0
    if unit is not None and number is np.float32:
        baseline, scale = unit.standardized(baseline), unit.scale
    known = _known_categories(estimator, width)
    trees = TreeEnsemble(number, raw)
    for iteration in estimator._predictors:
        for target, predictor in enumerate(iteration):
            _grow(trees, predictor, known, target, scale)
    constants: dict[str, npt.NDArray[Any]] = {"baseline": baseline.astype(number)}
    nodes = [_operator("Add", [TREES, "baseline"], "raw" if classes is not None else ONNX_OUTPUT)]
    if classes is not None:
        seen = np.asarray(estimator.classes_, dtype=np.int64)
        is_complete = len(seen) == classes
        nodes += _probabilities(raw, ONNX_OUTPUT if is_complete else "seen", number, constants)
        if not is_complete:
            constants["places"] = np.eye(classes, dtype=number)[seen]
            nodes.append(_operator("MatMul", ["seen", "places"], ONNX_OUTPUT))
    return model_bytes(trees, nodes, constants, width, classes or 1)


def float32_is_enough(estimator: Any, rows: Matrix) -> bool:
    """Whether every row is on the same side of every threshold when both are in float32.

    Args:
        estimator: a fitted model.
        rows: shape (rows, width), NaN for gaps.
    """
    nodes = np.concatenate([tree.nodes for iteration in estimator._predictors for tree in iteration])
    splits = nodes[(nodes["is_leaf"] == 0) & (nodes["is_categorical"] == 0)]
    for feature in np.unique(splits["feature_idx"]):
        thresholds = np.unique(splits["num_threshold"][splits["feature_idx"] == feature])
        given = rows[:, feature][~np.isnan(rows[:, feature])]
        with np.errstate(over="ignore"):
            rounded = np.searchsorted(thresholds.astype(np.float32), given.astype(np.float32))
        if not np.array_equal(np.searchsorted(thresholds, given), rounded):
            return False
    return True


def _grow(trees: TreeEnsemble, predictor: Any, known: list[npt.NDArray[np.bool_]], target: int, scale: float) -> None:
    """Adds a tree of scikit-learn.

    Args:
        trees: where to.
        predictor: a TreePredictor.
        known: of each feature, which categories training saw; empty for a number.
        target: the output that its leaves are added to.
        scale: what they are divided by.
    """
    sides: dict[int, Side] = {}
    # A node comes before those below it.
    for index in reversed(range(len(predictor.nodes))):
        node = predictor.nodes[index]
        if node["is_leaf"]:
            sides[index] = trees.leaf(float(node["value"]) / scale, target)
            continue
        left, right = sides[int(node["left"])], sides[int(node["right"])]
        feature, missing_is_left = int(node["feature_idx"]), bool(node["missing_go_to_left"])
        if not node["is_categorical"]:
            threshold = float(node["num_threshold"])
            sides[index] = trees.split(feature, threshold, left, right, missing_is_left=missing_is_left)
            continue
        inside = _bits(predictor.raw_left_cat_bitsets[node["bitset_idx"]])
        # What is missing, or a category that training never saw, must not be in the set.
        if missing_is_left:
            inside, left, right = known[feature] & ~inside, right, left
        sides[index] = trees.member(feature, np.flatnonzero(inside).tolist(), left, right)
    trees.tree(sides[0])


def _operator(kind: str, inputs: list[str], output: str, **settings: Any) -> Any:
    from onnx import helper

    return helper.make_node(kind, inputs, [output], **settings)


def _probabilities(raw: int, output: str, number: Number, constants: dict[str, npt.NDArray[Any]]) -> list[Any]:
    """From raw predictions to probabilities by class; two classes have one raw prediction, of the second."""
    if raw > 1:
        return [_operator("Softmax", ["raw"], output, axis=1)]
    constants["one"] = np.ones((1, 1), number)
    return [
        _operator("Sigmoid", ["raw"], "second"),
        _operator("Sub", ["one", "second"], "first"),
        _operator("Concat", ["first", "second"], output, axis=1),
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
