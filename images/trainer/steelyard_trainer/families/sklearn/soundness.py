"""Whether the numbers in a model of scikit-learn lead where they may: its compiled code follows a tree's nodes without
looking, so that forged ones read memory that is not theirs. Imports numpy.
"""

from typing import Any

import numpy as np

from steelyard_trainer.elsewhere.archive import RefusedError

_LEAF = -1
_TREES = ("DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor")
_OF_CATEGORIES = "it was fitted on categories; allowed: one that was fitted on numbers"


def made_sound(estimator: Any) -> Any:
    """The estimator, once its trees have been looked through; nearest neighbors are indexed anew, as fitting did it.

    Raises:
        RefusedError: a tree leads nowhere, or splits by categories; or it is not fitted, or holds something else.
    """
    if not hasattr(estimator, "n_features_in_"):
        raise RefusedError("it is not fitted")
    if getattr(estimator, "_preprocessor", None) is not None:
        raise RefusedError(_OF_CATEGORIES)
    width = int(estimator.n_features_in_)
    for tree in getattr(estimator, "estimators_", ()):
        if type(tree).__name__ not in _TREES:
            raise RefusedError(f"a tree of it is a {type(tree).__name__}; allowed: {', '.join(_TREES)}")
        inner = tree.tree_
        if int(inner.n_features) != width:
            raise RefusedError("a tree of it takes other features than the model")
        _check(inner.children_left, inner.children_right, inner.feature, inner.children_left != _LEAF, width)
    for predictors in getattr(estimator, "_predictors", ()):
        for predictor in predictors:
            nodes = predictor.nodes
            inner_nodes = nodes["is_leaf"] == 0
            if nodes["is_categorical"][inner_nodes].any():
                raise RefusedError(_OF_CATEGORIES)
            _check(nodes["left"], nodes["right"], nodes["feature_idx"], inner_nodes, width)
    if hasattr(estimator, "_fit_X"):
        return _indexed_anew(estimator)
    return estimator


def _check(left: Any, right: Any, feature: Any, is_split: Any, width: int) -> None:
    """Each split has two children after it, and a feature that there is."""
    count, places = len(left), np.flatnonzero(is_split)
    if count == 0:
        raise RefusedError("a tree of it has no nodes")
    for children in (left, right):
        chosen = children[places].astype(np.int64)
        if (chosen <= places).any() or (chosen >= count).any():
            raise RefusedError("a tree of it is forged: a node leads to none of its nodes")
    features = feature[places].astype(np.int64)
    if (features < 0).any() or (features >= width).any():
        raise RefusedError("a tree of it is forged: a node asks for a feature that there is not")


def _indexed_anew(estimator: Any) -> Any:
    """Nearest neighbors with an index that was made here, of the rows that they know."""
    try:
        rows, answers = np.asarray(estimator._fit_X, dtype=np.float64), np.asarray(estimator._y)
    except (TypeError, ValueError):
        raise RefusedError("the rows that it knows are no matrix of numbers") from None
    labels = getattr(estimator, "classes_", None)
    if labels is not None:
        if answers.ndim != 1 or (answers < 0).any() or (answers >= len(labels)).any():
            raise RefusedError("its rows have labels that there are not")
        answers = np.asarray(labels)[answers]
    try:
        return type(estimator)(**estimator.get_params()).fit(rows, answers)
    except ValueError as error:
        raise RefusedError(f"its rows can't be indexed: {error}") from None
