"""Forged trees are told before scikit-learn follows them."""

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier, RandomTreesEmbedding
from sklearn.neighbors import KNeighborsClassifier

from steelyard_trainer.elsewhere.archive import RefusedError
from steelyard_trainer.families.sklearn.soundness import made_sound

ROWS = np.random.default_rng(0).normal(size=(60, 2))
LABELS = (ROWS[:, 0] > 0).astype(int)


def forged(field: str, value: int) -> RandomForestClassifier:
    """A forest whose first tree has another number in its first node."""
    forest = RandomForestClassifier(2, random_state=0).fit(ROWS, LABELS)
    tree = forest.estimators_[0].tree_
    state = tree.__getstate__()
    state["nodes"] = state["nodes"].copy()
    state["nodes"][field][0] = value
    tree.__setstate__(state)
    return forest


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("left_child", 10**6, "a node leads to none of its nodes"),
        ("right_child", -7, "a node leads to none of its nodes"),
        ("right_child", 0, "a node leads to none of its nodes"),
        ("feature", 2, "a node asks for a feature that there is not"),
        ("feature", -1, "a node asks for a feature that there is not"),
    ],
)
def test_a_forged_node_of_a_forest_is_refused(field: str, value: int, says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        made_sound(forged(field, value))


@pytest.mark.parametrize(("field", "value"), [("left", 10**6), ("right", 0), ("feature_idx", 9)])
def test_a_forged_node_of_boosting_is_refused(field: str, value: int) -> None:
    model = HistGradientBoostingRegressor(max_iter=2, min_samples_leaf=5).fit(ROWS, ROWS[:, 0])
    assert made_sound(model) is model
    model._predictors[0][0].nodes[field][0] = value
    with pytest.raises(RefusedError, match="is forged"):
        made_sound(model)


def test_neighbors_are_indexed_anew_and_say_the_same() -> None:
    model: Any = KNeighborsClassifier(3, algorithm="kd_tree").fit(ROWS, np.array(["no", "yes"])[LABELS])
    made = made_sound(model)
    assert made is not model and np.array_equal(made.predict_proba(ROWS), model.predict_proba(ROWS))
    assert made.classes_.tolist() == ["no", "yes"]
    model._y = model._y + 5
    with pytest.raises(RefusedError, match="labels that there are not"):
        made_sound(model)


def test_trees_that_lie_elsewhere_are_refused() -> None:
    model = HistGradientBoostingRegressor(max_iter=2, min_samples_leaf=5).fit(ROWS, ROWS[:, 0])
    model._preprocessor = RandomTreesEmbedding(1, random_state=0).fit(ROWS)
    with pytest.raises(RefusedError, match="it was fitted on categories; allowed"):
        made_sound(model)
    forest = RandomForestClassifier(2, random_state=0).fit(ROWS, LABELS)
    forest.estimators_[1] = RandomForestClassifier(1).fit(ROWS, LABELS)
    with pytest.raises(RefusedError, match="a tree of it is a RandomForestClassifier; allowed: DecisionTreeClassifier"):
        made_sound(forest)


def test_what_is_not_fitted_or_knows_no_numbers_is_told() -> None:
    with pytest.raises(RefusedError, match="it is not fitted"):
        made_sound(RandomForestClassifier())
    with pytest.raises(RefusedError, match="no matrix of numbers"):
        made_sound(KNeighborsClassifier(3).fit(csr_matrix(ROWS), LABELS))
