"""The scores of folds: of nested forests those of each alone, and no number that is not defined."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn_specs import LIKE, digits, spec

from steelyard.api.dataset import MissingValues
from steelyard.api.errors import ConfigurationError, DataError
from steelyard.api.metrics import Measure
from steelyard.serving.preprocessing import Preprocessing
from steelyard_trainer.families.sklearn.cross_validation import Folds, nested_scores, score_fold
from steelyard_trainer.families.sklearn.features import Table
from steelyard_trainer.families.sklearn.forests import depth_of, nested_predictions
from steelyard_trainer.families.sklearn.scores import predictions_of, score


@pytest.mark.parametrize("task", ["Classification", "Regression"])
def test_the_first_trees_of_a_forest_are_the_smaller_forest_bit_for_bit(task: str) -> None:
    features, targets = load_digits(return_X_y=True) if task == "Classification" else load_diabetes(return_X_y=True)
    kind = RandomForestClassifier if task == "Classification" else RandomForestRegressor
    learned, asked = slice(0, 200), slice(200, 400)
    forest = kind(12, random_state=3, max_depth=5).fit(features[learned], targets[learned])
    classes = 10 if task == "Classification" else None
    found = dict(nested_predictions(forest, [12, 3, 7], features[asked], classes))
    assert list(found) == [3, 7, 12]
    for size, predictions in found.items():
        alone = kind(size, random_state=3, max_depth=5).fit(features[learned], targets[learned])
        np.testing.assert_array_equal(predictions.predict(), alone.predict(features[asked]))
        if classes:
            np.testing.assert_array_equal(predictions.probabilities(), alone.predict_proba(features[asked]))


@pytest.mark.parametrize("metric", ["accuracy", "macroF1", "logLoss"])
def test_the_scores_of_nested_forests_are_those_of_each_alone(metric: Any) -> None:
    folds = Folds(digits(), 3, MissingValues(), LIKE)
    largest = spec({"randomForest": {"nEstimators": 8}})
    together, depth = nested_scores(largest, folds, 1, Measure(metric), [8, 2])
    alone = {
        size: score_fold(spec({"randomForest": {"nEstimators": size}}), folds, 1, [Measure(metric)])[metric]
        for size in (2, 8)
    }
    assert together == alone
    assert together[2] != together[8]
    assert 3 < depth < 20


@pytest.mark.parametrize("task", ["Classification", "Regression"])
@pytest.mark.parametrize("bootstrap", [True, False])
def test_forests_that_end_above_their_bounds_are_one_and_at_a_bound_they_may_differ(task: str, bootstrap: bool) -> None:
    features, targets = load_digits(return_X_y=True) if task == "Classification" else load_diabetes(return_X_y=True)
    kind = RandomForestClassifier if task == "Classification" else RandomForestRegressor

    def said(bound: int | None) -> tuple[Any, int]:
        forest = kind(6, random_state=4, max_depth=bound, bootstrap=bootstrap, max_features=0.5, min_samples_leaf=3)
        forest.fit(features[:250], targets[:250])
        outputs = forest.predict_proba if task == "Classification" else forest.predict
        return outputs(features[250:]), depth_of(forest)

    free, depth = said(None)
    for bound in (depth + 1, depth + 2, depth + 30):
        other, same_depth = said(bound)
        np.testing.assert_array_equal(other, free)
        assert same_depth == depth
    assert not np.array_equal(said(depth // 2)[0], free)


def test_a_class_that_training_did_not_see_has_probability_0() -> None:
    features = np.arange(6.0)[:, np.newaxis]
    model = LogisticRegression().fit(features, [0, 0, 2, 2, 3, 3])
    probabilities = predictions_of(model, features, 5).probabilities()
    assert probabilities.shape == (6, 5)
    np.testing.assert_array_equal(probabilities[:, [0, 2, 3]], model.predict_proba(features))
    assert not probabilities[:, [1, 4]].any()


def test_a_score_that_is_not_defined_is_an_error_that_names_the_fold() -> None:
    table = Table(("a",), np.arange(4.0)[:, np.newaxis], {}, np.arange(4.0))
    folds = Folds(table, 4, MissingValues(), Preprocessing((), "t", "Regression"))
    with pytest.raises(DataError, match="r2 of fold 1 is nan"):
        score_fold(spec({"ridge": {}}), folds, 0, [Measure("r2")])
    assert score_fold(spec({"ridge": {}}), folds, 0, [Measure("mae")])["mae"] > 0


@pytest.mark.parametrize("metric", ["accuracy", "logLoss"])
def test_numbers_that_are_too_large_for_a_forest_are_refused_nested_and_alone_alike(metric: Any) -> None:
    table = digits()
    folds = Folds(table, 3, MissingValues(), LIKE)
    scored = folds._sides[0][1]
    table.numbers[scored[0], 0] = 1e39
    asked = spec({"randomForest": {"nEstimators": 4}})
    reasons = []
    for ask in (
        lambda: score_fold(asked, folds, 0, [Measure(metric)]),
        lambda: nested_scores(asked, folds, 0, Measure(metric), [2, 4])[0],
    ):
        with pytest.raises(DataError, match="a value too large for dtype") as caught:
            ask()
        reasons.append(str(caught.value))
    assert reasons[0] == reasons[1]
    assert reasons[0].startswith("scikit-learn can't ask the model about the rows: Input X contains infinity")


def test_more_folds_than_rows_are_refused() -> None:
    with pytest.raises(
        ConfigurationError, match=r"evaluation.crossValidation.folds: 20 folds can't be made of 12 rows"
    ):
        Folds(digits(12), 20, MissingValues(), LIKE)


def test_a_metric_is_scored_at_scikit_learns_defaults() -> None:
    features, targets = load_diabetes(return_X_y=True)
    model = Lasso().fit(features, targets)
    assert score(Measure("r2"), targets, predictions_of(model, features, None)) == model.score(features, targets)
