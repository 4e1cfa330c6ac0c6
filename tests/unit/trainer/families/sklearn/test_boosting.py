"""Gradient boosting on tables with words and gaps: what scikit-learn makes of the same columns by itself."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from steelyard.api.dataset import MissingValues
from steelyard.api.training_job import TrainingJobSpec
from steelyard.serving.estimators import OnnxModel
from steelyard.serving.input_columns import OTHER, CodeColumn
from steelyard.serving.preprocessing import Preprocessing
from steelyard.serving.tally import Tally
from steelyard_trainer.families.sklearn.boosting_onnx import boosting_to_onnx
from steelyard_trainer.families.sklearn.build import build_estimator
from steelyard_trainer.families.sklearn.features import Table, categories_of
from steelyard_trainer.families.sklearn.fitting import fit

LIKE = Preprocessing((), "y", "Classification", ("no", "yes"))


def spec(**settings: Any) -> TrainingJobSpec:
    dataset = {"uri": "a.csv", "target": "y"}
    return TrainingJobSpec.model_validate({"dataset": dataset, "model": {"gradientBoosting": settings}})


def table(rows: int, words: int) -> Table:
    random = np.random.default_rng(0)
    sizes = random.normal(1e9, 3, rows)
    towns = np.array([f"town {min(random.integers(words), random.integers(words))}" for _ in range(rows)], dtype=object)
    targets = (np.array([int(town[5:]) % 3 for town in towns]) + sizes - 1e9 > 1).astype(np.int64)
    sizes[random.random(rows) < 0.2] = np.nan
    towns[random.random(rows) < 0.2] = None
    return Table(("size", "town"), sizes[:, np.newaxis], {"town": towns}, targets)


def learned(rows: Table, strategy: str, **fields: Any) -> Preprocessing:
    missing_values = MissingValues(strategy=strategy, **fields)  # type: ignore[arg-type]
    return rows.taken_as("Coded", rows.learn(missing_values, LIKE), keeps_gaps=strategy != "Constant")


@pytest.mark.parametrize("early_stopping", [True, False])
def test_words_and_gaps_are_scikit_learns_own(early_stopping: bool) -> None:
    rows, job = table(400, 12), spec(maxIterations=20, patience=10 if early_stopping else 0)
    preprocessing = learned(rows, "Median")
    assert [column.name for column in preprocessing.columns] == ["town", "size"]
    estimator = build_estimator(job, "Classification", ["no", "yes"])
    features = rows.features(preprocessing)
    fit(estimator, job, features, rows.targets, categories=categories_of(preprocessing))

    frame = pd.DataFrame({"size": rows.numbers[:, 0], "town": pd.Categorical(rows.words["town"])})
    twin = HistGradientBoostingClassifier(max_iter=20, early_stopping=early_stopping, random_state=0)
    twin.fit(frame, rows.targets)

    np.testing.assert_allclose(estimator.predict_proba(features), twin.predict_proba(frame), rtol=1e-9)
    # A word that nobody saw goes where a gap goes.
    unseen = preprocessing.transform({"size": [1e9, 1e9], "town": ["nowhere", None]}, dtype=np.float64)
    assert np.isnan(unseen[:, 0]).all()
    assert np.ptp(estimator.predict_proba(unseen)[:, 0]) == 0


def test_the_most_frequent_254_words_stay_and_the_rest_is_one() -> None:
    rows = table(4000, 400)
    (codes, _) = learned(rows, "Median").columns
    assert isinstance(codes, CodeColumn)
    assert len(codes.words) == 255 and codes.has_other and OTHER in codes.words
    counts = pd.Series(rows.words["town"]).value_counts()
    kept = set(codes.words) - {OTHER}
    assert counts[[*kept]].min() >= counts.drop([*kept]).max()
    encoded = codes.transform(rows.words["town"])[:, 0]
    assert set(encoded[~np.isnan(encoded)]) == set(range(255))
    assert codes.transform(["nowhere"])[0, 0] == codes.words.index(OTHER)


def test_constant_fills_and_unknown_words_are_counted() -> None:
    rows, tally = table(200, 5), Tally()
    preprocessing = learned(rows, "Constant", value=0.0, text="town 1")
    assert not np.isnan(rows.features(preprocessing)).any()
    again = Preprocessing.from_json(preprocessing.to_json())
    assert again == preprocessing
    found = again.transform({"size": [None], "town": ["nowhere"]}, dtype=np.float64, tally=tally)
    assert found[0, 1] == 0.0 and np.isnan(found[0, 0])
    assert tally.unknown["town"].count == tally.filled["size"].count == 1


def test_gaps_stay_gaps_through_the_file() -> None:
    preprocessing = learned(table(200, 5), "Fail")
    again = Preprocessing.from_json(preprocessing.to_json())
    assert again == preprocessing
    assert np.isnan(again.transform({"size": [None], "town": [None]}, dtype=np.float64)).all()


@pytest.mark.parametrize("labels", [[0] * 30 + [1], [0, 1] * 4 + [2]])
def test_a_class_too_rare_for_the_tenth_lets_early_stopping_go_and_says_so(labels: list[int]) -> None:
    told: list[str] = []
    job = spec()
    estimator = build_estimator(job, "Classification", ["a", "b", "c"])
    fit(estimator, job, np.arange(float(len(labels)))[:, np.newaxis], np.array(labels), told.append)
    assert not estimator.early_stopping
    assert told and "early stopping" in told[0]


def test_codes_of_which_some_have_no_row_stay_what_they_are() -> None:
    job = spec(maxIterations=10, patience=0, minSamplesLeaf=1)
    codes = np.repeat([0.0, 3.0, 7.0, 200.0], 30)
    targets = (codes > 2).astype(np.int64) * (codes < 100)
    estimator = build_estimator(job, "Classification", ["no", "yes"])
    fit(estimator, job, codes[:, np.newaxis], targets, categories=1)
    asked = np.array([[0.0], [3.0], [7.0], [200.0]])
    assert estimator.predict(asked).tolist() == [0, 1, 1, 0]
    # What training never saw goes where a gap goes.
    unseen = estimator.predict_proba(np.array([[1.0], [np.nan]]))
    assert np.ptp(unseen[:, 0]) == 0
    served = OnnxModel(boosting_to_onnx(estimator, 1, 2))
    everything = np.vstack([asked, [[1.0], [np.nan]]])
    np.testing.assert_allclose(served.predict(everything), estimator.predict_proba(everything), rtol=1e-9)
