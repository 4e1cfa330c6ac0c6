"""Forests and gradient boosting of fewer trees and leaves: fitted anew, or some of a forest's own trees."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression

from steelyard.api.compression.techniques import Refit, SelectTrees
from steelyard_trainer.compression.artifact import Artifact
from steelyard_trainer.compression.techniques.base import CannotBeMadeError, StepData
from steelyard_trainer.families.sklearn.features import LabelledRows
from steelyard_trainer.families.sklearn.fitting import keep_trees_alone
from steelyard_trainer.families.sklearn.refit import TECHNIQUE as REFIT
from steelyard_trainer.families.sklearn.refit import most_leaves_of, trees_of
from steelyard_trainer.families.sklearn.saving import load_estimator
from steelyard_trainer.families.sklearn.select_trees import TECHNIQUE as SELECT
from steelyard_trainer.families.sklearn.select_trees import OutOfBag
from steelyard_trainer.families.sklearn.teaching import unlearned_answers

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(400, 3))
LABELS = np.digitize(FEATURES[:, 0] + 0.3 * RANDOM.normal(size=400), [-0.5, 0.5])
ROWS = LabelledRows(FEATURES, LABELS)
FOREST = RandomForestClassifier(12, random_state=0, class_weight={0: 1, 1: 2, 2: 1}).fit(FEATURES, LABELS)


def applied(technique: Any, settings: Any, model: Any, into: Path, rows: LabelledRows = ROWS) -> Any:
    """What a technique makes of a fitted model, read from its file."""
    given = Artifact.in_memory(into, "Skops", model)
    data = StepData(
        into=into,
        scratch=into,
        width=3,
        classes=3,
        unit=None,
        read_training=lambda: rows,
        trained=given,
        how_trained=None,
        unfinished=into,
        check_attempt=lambda: None,
        progress=lambda *_: None,
    )
    return load_estimator(technique.apply(given, settings, data, lambda _: None).file)


def test_a_forest_is_fitted_anew_as_it_was(tmp_path: Path) -> None:
    smaller = applied(REFIT, Refit.model_validate({"trees": 5, "maxLeafNodes": 8}), FOREST, tmp_path)
    twin = RandomForestClassifier(5, max_leaf_nodes=8, random_state=0, class_weight={0: 1, 1: 2, 2: 1})
    twin.fit(FEATURES, LABELS)
    np.testing.assert_array_equal(smaller.predict_proba(FEATURES), twin.predict_proba(FEATURES))
    assert (trees_of(smaller), most_leaves_of(smaller)) == (5, 8)
    plain = applied(REFIT, Refit(), FOREST, tmp_path)
    assert (trees_of(plain), most_leaves_of(plain)) == (6, most_leaves_of(FOREST) // 4)


def test_boosting_is_fitted_anew_and_holds_trees_alone(tmp_path: Path) -> None:
    coded = LabelledRows(np.column_stack([np.arange(400) % 5, FEATURES[:, :2]]).astype(float), LABELS)
    boosting = HistGradientBoostingClassifier(max_iter=8, categorical_features=[0], random_state=0)
    boosting.fit(coded.features, coded.targets)
    keep_trees_alone(boosting)
    settings = Refit.model_validate({"trees": 4, "maxLeafNodes": 5, "learningRate": 0.3})
    smaller = applied(REFIT, settings, boosting, tmp_path, coded)
    assert (trees_of(smaller), most_leaves_of(smaller), smaller.learning_rate) == (4, 5, 0.3)
    assert smaller.score(coded.features, coded.targets) > 0.7


@pytest.mark.filterwarnings("ignore:Some inputs do not have OOB scores")
def test_trees_are_chosen_by_rows_that_they_have_not_learned(tmp_path: Path) -> None:
    again = RandomForestClassifier(12, random_state=0, class_weight={0: 1, 1: 2, 2: 1}, oob_score=True)
    again.fit(FEATURES, LABELS)
    out = OutOfBag.of(FOREST, ROWS)
    asked = out.is_out.sum(axis=0)[:, np.newaxis]
    is_asked = asked[:, 0] > 0
    means = out.said.sum(axis=0)[is_asked] / asked[is_asked]
    np.testing.assert_allclose(means, again.oob_decision_function_[is_asked], atol=1e-6)

    said = unlearned_answers(FOREST, ROWS, 5)
    np.testing.assert_allclose(said[is_asked, :3], again.oob_decision_function_[is_asked], atol=1e-6)
    np.testing.assert_array_equal(said[~is_asked, :3], FOREST.predict_proba(FEATURES[~is_asked]))
    assert said.shape == (400, 5) and not said[:, 3:].any()

    selected = applied(SELECT, SelectTrees(trees=4), FOREST, tmp_path)
    assert len(selected.estimators_) == 4
    seeds = [tree.random_state for tree in FOREST.estimators_]
    places = [seeds.index(tree.random_state) for tree in selected.estimators_]
    assert places == sorted(out.chosen(4))

    def error(trees: list[int]) -> float:
        asked = out.is_out[trees].sum(axis=0)[:, np.newaxis]
        means = out.said[trees].sum(axis=0) / np.maximum(asked, 1)
        return float(np.square(means - out.targets)[asked[:, 0] > 0].mean())

    assert error([out.chosen(1)[0]]) == min(error([tree]) for tree in range(12))


def test_trees_of_numbers_are_chosen_too(tmp_path: Path) -> None:
    rows = LabelledRows(FEATURES, FEATURES[:, 0] * 3)
    forest = RandomForestRegressor(8, random_state=0).fit(rows.features, rows.targets)
    assert len(applied(SELECT, SelectTrees(), forest, tmp_path, rows).estimators_) == 2


@pytest.mark.parametrize(
    ("technique", "settings", "model", "said"),
    [
        (REFIT, Refit(trees=13), FOREST, "13 trees of at most .* but the model has 12 trees .* allowed are fewer"),
        (SELECT, SelectTrees(trees=12), FOREST, "12 trees are to stay, but the forest has 12; allowed are fewer"),
        (
            SELECT,
            SelectTrees(),
            RandomForestClassifier(8, bootstrap=False, random_state=0).fit(FEATURES, LABELS),
            "no out-of-bag predictions to choose them by; Refit makes a smaller forest",
        ),
        (
            SELECT,
            SelectTrees(),
            RandomForestClassifier(8, random_state=0).fit(FEATURES[:-1], LABELS[:-1]),
            "it was fitted on others",
        ),
    ],
)
def test_what_can_not_be_made_says_why(technique: Any, settings: Any, model: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(CannotBeMadeError, match=said):
        applied(technique, settings, model, tmp_path)


def test_a_network_learns_nothing_from_codes_of_categories() -> None:
    features = np.column_stack([np.arange(400) % 5, FEATURES[:, :2]]).astype(float)
    boosting = HistGradientBoostingClassifier(max_iter=2, categorical_features=[0]).fit(features, LABELS)
    with pytest.raises(CannotBeMadeError, match="takes a category as one number"):
        unlearned_answers(boosting, LabelledRows(features, LABELS), 3)


def test_what_has_no_trees_and_what_can_not_be_fitted_anew_is_told(tmp_path: Path) -> None:
    linear = LogisticRegression().fit(FEATURES, LABELS)
    with pytest.raises(CannotBeMadeError, match="a LogisticRegression has no trees; allowed are forests and"):
        applied(REFIT, Refit(), linear, tmp_path)
    with pytest.raises(CannotBeMadeError, match="a LogisticRegression is no forest"):
        applied(SELECT, SelectTrees(), linear, tmp_path)
    balanced = RandomForestClassifier(4, random_state=0, class_weight="balanced_subsample").fit(FEATURES, LABELS)
    with pytest.raises(CannotBeMadeError, match="with class_weight 'balanced_subsample' it can't be told"):
        applied(SELECT, SelectTrees(), balanced, tmp_path)
    stubborn = RandomForestClassifier(4, random_state=0).fit(FEATURES, LABELS).set_params(max_features="half")
    with pytest.raises(CannotBeMadeError, match=r"it can't be fitted anew: .*max_features"):
        applied(REFIT, Refit(), stubborn, tmp_path)
