"""scikit-learn's models as the manifest describes them: settings, nested forests, features, the order of a pack."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Lasso, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from steelyard.api.dataset import MissingValues
from steelyard.api.errors import ConfigurationError, DataError
from steelyard.api.metrics import Measure, Task
from steelyard.api.models import Model
from steelyard.api.run_policy import RunPolicy
from steelyard.api.training_job import TrainingJobSpec
from steelyard.contract.trial_report import TrialReport
from steelyard.serving.preprocessing import Preprocessing
from steelyard_trainer.evaluation.metrics import Figure
from steelyard_trainer.families.sklearn import pack_pieces
from steelyard_trainer.families.sklearn.build import build_estimator, form_of
from steelyard_trainer.families.sklearn.cross_validation import Folds, nested_scores, score_fold
from steelyard_trainer.families.sklearn.features import Table
from steelyard_trainer.families.sklearn.fitting import fit
from steelyard_trainer.families.sklearn.forests import depth_of, nested_predictions
from steelyard_trainer.families.sklearn.pack_pieces import (
    VALIDATION,
    PackedTrial,
    Piece,
    PieceAnswer,
    answered_too,
    pieces_of,
    report_of,
    work_off,
)
from steelyard_trainer.families.sklearn.saving import load_estimator, save_estimator
from steelyard_trainer.families.sklearn.scores import predictions_of, score
from steelyard_trainer.families.sklearn.trial import Answered, Rows, run_trial


def spec(model: dict[str, Any], **fields: Any) -> TrainingJobSpec:
    return TrainingJobSpec.model_validate({"dataset": {"uri": "a.csv", "target": "t"}, "model": model, **fields})


# --- settings ---------------------------------------------------------------------------------------------------------

SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "randomForest": (
        {
            "nEstimators": 7,
            "maxDepth": 3,
            "minSamplesSplit": 5,
            "minSamplesLeaf": 2,
            "maxFeatures": 0.5,
            "bootstrap": False,
        },
        {
            "n_estimators": 7,
            "max_depth": 3,
            "min_samples_split": 5,
            "min_samples_leaf": 2,
            "max_features": 0.5,
            "bootstrap": False,
        },
    ),
    "ridge": ({"alpha": 0.5, "fitIntercept": False}, {"alpha": 0.5, "fit_intercept": False}),
    "lasso": (
        {"alpha": 0.5, "fitIntercept": False, "maxIterations": 9},
        {"alpha": 0.5, "fit_intercept": False, "max_iter": 9},
    ),
    "elasticNet": (
        {"alpha": 0.5, "l1Ratio": 0.2, "fitIntercept": False, "maxIterations": 9},
        {"alpha": 0.5, "l1_ratio": 0.2, "fit_intercept": False, "max_iter": 9},
    ),
    "logisticRegression": (
        {"c": 0.5, "fitIntercept": False, "maxIterations": 9},
        {"C": 0.5, "fit_intercept": False, "max_iter": 9},
    ),
    "nearestNeighbors": (
        {"neighbors": 3, "algorithm": "BallTree", "weights": "Distance", "p": 1.0, "leafSize": 9},
        {"n_neighbors": 3, "algorithm": "ball_tree", "weights": "distance", "p": 1.0, "leaf_size": 9},
    ),
    "gradientBoosting": (
        {
            "learningRate": 0.2,
            "maxIterations": 7,
            "maxLeafNodes": 5,
            "maxDepth": 3,
            "minSamplesLeaf": 2,
            "l2Regularization": 0.5,
            "patience": 4,
        },
        {
            "learning_rate": 0.2,
            "max_iter": 7,
            "max_leaf_nodes": 5,
            "max_depth": 3,
            "min_samples_leaf": 2,
            "l2_regularization": 0.5,
            "early_stopping": True,
            "n_iter_no_change": 4,
        },
    ),
}
OWN_DEFAULTS: dict[str, dict[str, Any]] = {"gradientBoosting": {"early_stopping": True, "max_iter": 300}}
"""That differ from scikit-learn's."""
TASKS = {"randomForest": "Classification", "logisticRegression": "Classification", "nearestNeighbors": "Classification"}


def built(model: dict[str, Any], task: str | None = None, **fields: Any) -> Any:
    kind = next(iter(model))
    return build_estimator(spec(model, **fields), task or TASKS.get(kind, "Regression"), ["a", "b"])  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", SETTINGS)
def test_every_setting_is_scikit_learns(kind: str) -> None:
    given, expected = SETTINGS[kind]
    fields = {str(info.alias) for info in type(Model.model_validate({kind: {}}).given).model_fields.values()}
    assert fields - set(given) <= {"scaling"}, "a setting is missing from this test"
    changed = built({kind: given}).get_params()
    assert expected.items() <= changed.items()


@pytest.mark.parametrize("kind", SETTINGS)
def test_every_default_is_scikit_learns(kind: str) -> None:
    estimator = built({kind: {}})
    own = estimator.get_params()
    defaults = type(estimator)().get_params()
    changed = {name: own[name] for name in own if own[name] != defaults[name]}
    assert changed.keys() - OWN_DEFAULTS.get(kind, {}) <= {"random_state", "n_jobs", "categorical_features"}
    assert OWN_DEFAULTS.get(kind, {}).items() <= changed.items()


def test_a_forest_has_the_manifests_seed_and_task() -> None:
    forest = built({"randomForest": {}}, "Regression", training={"seed": 42})
    assert isinstance(forest, RandomForestRegressor)
    assert forest.random_state == 42
    assert built({"nearestNeighbors": {"algorithm": "KDTree"}}).algorithm == "kd_tree"


def test_weights_of_classes_go_by_their_index() -> None:
    assert built({"randomForest": {}}, training={"classWeights": {}}).class_weight == "balanced"
    explicit = {"strategy": "Explicit", "weights": {"b": 3.0, "a": 1.0}}
    assert built({"logisticRegression": {}}, training={"classWeights": explicit}).class_weight == {0: 1.0, 1: 3.0}


def test_a_forest_is_never_scaled_and_others_are_as_the_manifest_says() -> None:
    assert form_of(spec({"randomForest": {}})) == "Plain"
    assert form_of(spec({"ridge": {}})) == "Scaled"
    assert form_of(spec({"nearestNeighbors": {"scaling": "None"}})) == "Plain"
    assert form_of(spec({"gradientBoosting": {}})) == "Coded"


# --- what is refused --------------------------------------------------------------------------------------------------


def test_more_neighbours_than_rows_are_refused_with_the_figure() -> None:
    with pytest.raises(ConfigurationError, match=r"spec.model.nearestNeighbors.neighbors: 9 is more than the 4 rows"):
        fit(
            built({"nearestNeighbors": {"neighbors": 9}}),
            spec({"nearestNeighbors": {"neighbors": 9}}),
            np.eye(4),
            np.array([0, 1, 0, 1]),
        )


def test_what_scikit_learn_refuses_is_said_without_a_traceback() -> None:
    with pytest.raises(ConfigurationError, match=r"spec.model.randomForest: scikit-learn can't fit it: .*too large"):
        fit(built({"randomForest": {}}), spec({"randomForest": {}}), np.full((4, 1), 1e300), np.array([0, 1, 0, 1]))


def test_a_model_that_did_not_converge_says_so() -> None:
    features, targets = load_diabetes(return_X_y=True)
    told: list[str] = []
    short = spec({"lasso": {"alpha": 1e-3, "maxIterations": 1}})
    fit(build_estimator(short, "Regression", None), short, features, targets, told.append)
    assert told == ["lasso did not converge; a larger maxIterations, or scaling: Standard, lets it"]


# --- nested forests ---------------------------------------------------------------------------------------------------


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


def digits(rows: int = 300) -> Table:
    features, targets = load_digits(return_X_y=True)
    names = tuple(f"p{index}" for index in range(features.shape[1]))
    return Table(names, features[:rows].copy(), {}, targets[:rows].astype(np.int64))


LIKE = Preprocessing((), "t", "Classification", tuple(str(digit) for digit in range(10)))


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


# --- scores -----------------------------------------------------------------------------------------------------------


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


# --- features ---------------------------------------------------------------------------------------------------------


def gappy(rows: int = 40) -> Table:
    random = np.random.default_rng(0)
    numbers = random.normal(100, 7, (rows, 2))
    numbers[random.random((rows, 2)) < 0.2] = np.nan
    words = random.choice(np.array(["x", "y", "z", None], dtype=object), rows)
    return Table(("a", "w", "b"), numbers, {"w": words}, np.arange(rows) % 2)


@pytest.mark.parametrize("strategy", ["Mean", "Median"])
@pytest.mark.parametrize("scaled", [True, False])
def test_what_is_learned_from_rows_is_what_scikit_learn_learns(strategy: str, scaled: bool) -> None:
    table = gappy()
    learned, others = table.take(np.arange(25)), table.take(np.arange(25, 40))
    preprocessing = learned.learn(MissingValues(strategy=strategy), LIKE)  # type: ignore[arg-type]
    numbers = SimpleImputer(strategy=strategy.lower())
    pipeline = make_pipeline(numbers, StandardScaler()) if scaled else numbers
    words = make_pipeline(
        SimpleImputer(strategy="most_frequent", missing_values=None), OneHotEncoder(handle_unknown="ignore")
    )
    pipeline.fit(learned.numbers)
    words.fit(learned.words["w"][:, np.newaxis])
    for part in (learned, others):
        expected = pipeline.transform(part.numbers)
        encoded = words.transform(part.words["w"][:, np.newaxis]).toarray()
        found = part.features(preprocessing if scaled else preprocessing.unscaled())
        np.testing.assert_allclose(found, np.hstack([expected[:, :1], encoded, expected[:, 1:]]), rtol=1e-12)
        assert found.dtype == np.float64


def test_plain_numbers_stay_what_they_are() -> None:
    table = digits()
    assert table.features(LIKE.unscaled()) is table.numbers


@pytest.mark.parametrize("strategy", ["Fail", "DropRow"])
def test_a_gap_that_only_prediction_meets_is_filled_with_what_training_learned(strategy: str) -> None:
    table = Table(("a",), np.array([[1.0], [2.0], [6.0]]), {}, np.arange(3))
    learned = table.learn(MissingValues(strategy=strategy), LIKE)  # type: ignore[arg-type]
    assert learned.transform({"a": ["", "6"]}, dtype=np.float64, scaled=False).tolist() == [[3.0], [6.0]]


# --- the file ---------------------------------------------------------------------------------------------------------


def test_a_model_survives_its_file(tmp_path: Path) -> None:
    features, targets = load_diabetes(return_X_y=True)
    for model in ({"randomForest": {"nEstimators": 3}}, {"nearestNeighbors": {"algorithm": "KDTree"}}, {"lasso": {}}):
        estimator = build_estimator(spec(model), "Regression", None).fit(features, targets)
        save_estimator(estimator, tmp_path / "m.skops")
        np.testing.assert_array_equal(
            load_estimator(tmp_path / "m.skops").predict(features), estimator.predict(features)
        )
    assert [path.name for path in tmp_path.iterdir()] == ["m.skops"]


def test_a_file_that_holds_something_else_is_not_loaded(tmp_path: Path) -> None:
    import skops.io

    skops.io.dump(Lasso, tmp_path / "type.skops")
    (tmp_path / "text.skops").write_text("hello")
    for name in ("type.skops", "text.skops"):
        with pytest.raises(DataError):
            load_estimator(tmp_path / name)


# --- the order of a pack ----------------------------------------------------------------------------------------------


class Data:
    """What a packed trial needs of a dataset here."""

    folder = Path("prepared")
    preprocessing = Preprocessing((), "t", "Regression")
    missing_values = MissingValues()

    @property
    def task(self) -> Task:
        return self.preprocessing.task

    @property
    def classes(self) -> tuple[str, ...] | None:
        return self.preprocessing.classes


def packed_trial(number: int, forest: dict[str, Any] | None = None, folds: int | None = 2, **trial: Any) -> PackedTrial:
    model = {"ridge": {"alpha": float(number)}} if forest is None else {"randomForest": forest}
    metric = "r2" if forest is None else "accuracy"
    described = {"tuningJob": "t", "number": number, "metric": metric, "goal": "Maximize", **trial}
    evaluation = {"crossValidation": {"folds": folds}} if folds else {}
    return PackedTrial(number, spec(model, publish=[], trial=described, evaluation=evaluation), Data())  # type: ignore[arg-type]


def test_forests_that_differ_in_their_trees_only_are_one_unit_per_fold_and_the_longest_come_first() -> None:
    trials = [
        packed_trial(0),
        packed_trial(1, {"nEstimators": 50, "maxDepth": 3}),
        packed_trial(2, {"nEstimators": 50}),
        packed_trial(3, {"nEstimators": 200}),
        packed_trial(4, {"nEstimators": 100, "maxDepth": 3}),
    ]
    assert [(piece.numbers, piece.part) for piece in pieces_of(trials)] == [
        ((2, 3), 1),
        ((2, 3), 2),
        ((1, 4), 1),
        ((1, 4), 2),
        ((0,), 1),
        ((0,), 2),
    ]


def test_a_forest_answers_for_every_bound_on_its_depth_that_it_ends_above() -> None:
    trials = [
        packed_trial(0, {"nEstimators": 9}),
        packed_trial(1, {"nEstimators": 5}),
        packed_trial(2, {"nEstimators": 9, "maxDepth": 12}),
        packed_trial(3, {"nEstimators": 5, "maxDepth": 11}),
        packed_trial(4, {"nEstimators": 9, "maxDepth": 10}),  # Where it may have been stopped.
        packed_trial(5, {"nEstimators": 7, "maxDepth": 30}),  # Of other trees than any that was scored.
        packed_trial(6, {"nEstimators": 9, "maxDepth": 30, "minSamplesLeaf": 2}),
    ]
    found = pieces_of(trials)
    # What may answer for others comes before those.
    assert [piece.numbers for piece in found if piece.part == 1] == [(0, 1), (6,), (5,), (2,), (4,), (3,)]
    first = found[0]
    answer = PieceAnswer({0: 0.9, 1: 0.8}, {0: 2.0, 1: 1.0}, depth=10)
    told = {other.numbers: also for other, also in answered_too(first, answer, found)}
    assert {numbers: also.scores for numbers, also in told.items()} == {(2,): {2: 0.9}, (3,): {3: 0.8}}
    assert all(set(also.seconds.values()) == {0.0} for also in told.values())
    # One that was stopped by its own bound says nothing of others; one that was not says it of all that are deeper.
    bounded = next(piece for piece in found if piece.numbers == (2,) and piece.part == 2)
    assert list(answered_too(bounded, PieceAnswer({2: 0.9}, {2: 1.0}, depth=12), found)) == []
    ended = answered_too(bounded, PieceAnswer({2: 0.9}, {2: 1.0}, depth=9), found)
    assert [(other.numbers, other.part) for other, _ in ended] == [((4,), 2)]


def test_a_forest_with_a_deadline_is_grown_alone_as_another_might_outlive_it() -> None:
    policy = {"activeDeadlineSeconds": 60}
    trials = [packed_trial(0, {"nEstimators": 5}), packed_trial(1, {"nEstimators": 9})]
    assert len(pieces_of(trials)) == 2
    bounded = [
        replace(each, spec=each.spec.model_copy(update={"run_policy": RunPolicy.model_validate(policy)}))
        for each in trials
    ]
    assert [(piece.numbers, piece.part) for piece in pieces_of(bounded)] == [((1,), 1), ((1,), 2), ((0,), 1), ((0,), 2)]


def test_a_trial_that_may_give_up_is_worked_off_alone_and_as_a_whole() -> None:
    limits = [{"step": 1, "value": 0.5}]
    pieces = pieces_of(
        [packed_trial(0, {"nEstimators": 5}, limits=limits), packed_trial(1, {"nEstimators": 9}, limits=limits)]
    )
    assert sorted((piece.numbers, piece.part) for piece in pieces) == [((0,), None), ((1,), None)]


def test_without_folds_the_validation_part_is_scored() -> None:
    (piece,) = pieces_of(
        [packed_trial(0, {"nEstimators": 5}, folds=None), packed_trial(1, {"nEstimators": 9}, folds=None)]
    )
    assert (piece.numbers, piece.part) == ((0, 1), VALIDATION)


@pytest.mark.parametrize("model", [{"ridge": {"scaling": "None"}}, {"randomForest": {"nEstimators": 2}}])
def test_a_score_on_the_validation_part_that_is_no_number_is_an_error(model: dict[str, Any]) -> None:
    learned = Table(("a",), np.arange(8.0)[:, np.newaxis], {}, np.arange(8.0))
    # The squares of what is wrong are more than a float holds.
    rows = Rows(Data(), {"train": learned, "validation": replace(learned, targets=np.full(8, 1e200))})  # type: ignore[arg-type]
    asked = {"tuningJob": "t", "number": 0, "metric": "rmse", "goal": "Minimize"}
    job = spec(model, publish=[], trial=asked)
    with pytest.raises(DataError, match="rmse of the validation set is inf: it is not defined on so few rows, or too"):
        run_trial(job, rows, lambda _steps: None)
    trials = tuple(PackedTrial(number, job, rows.dataset) for number in range(2 if "randomForest" in model else 1))
    with pytest.raises(DataError, match="rmse of the validation set is inf"):
        work_off(Piece(trials, VALIDATION, "family", math.inf), rows)
    finite = spec(model, publish=[], trial={**asked, "metric": "mae"})
    assert run_trial(finite, rows, lambda _steps: None).report.value == pytest.approx(1e200)


def test_a_report_without_a_value_is_no_score_of_0(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = Answered(TrialReport(0, "Failed", reason="it failed"), "", None)
    monkeypatch.setattr(pack_pieces, "run_trial", lambda *_: nothing)
    with pytest.raises(AssertionError):
        work_off(Piece((packed_trial(0, folds=None),), VALIDATION, 0, math.inf), Rows(Data()))  # type: ignore[arg-type]


def test_the_secondary_objective_s_metric_is_a_number_too() -> None:
    learned = Table(("a",), np.arange(8.0)[:, np.newaxis], {}, np.arange(8.0))
    rows = Rows(Data(), {"train": learned, "validation": replace(learned, targets=np.full(8, 1e200))})  # type: ignore[arg-type]
    asked = {"tuningJob": "t", "number": 0, "metric": "rmse", "goal": "Minimize", "secondary": "Size"}
    with pytest.raises(DataError, match="rmse of the validation set is inf"):
        run_trial(spec({"ridge": {"scaling": "None"}}, publish=[], compression={}, trial=asked), rows, lambda _: None)


def test_a_report_has_the_folds_in_order_and_their_mean() -> None:
    report = report_of(packed_trial(3), {2: Figure(0.75, 0.0), 1: Figure(0.5, 0.0)}, 1.5)
    assert (report.number, report.state, report.value) == (3, "Complete", 0.625)
    assert report.steps == ((1, 0.5), (2, 0.75))


def test_a_metric_is_scored_at_scikit_learns_defaults() -> None:
    features, targets = load_diabetes(return_X_y=True)
    model = Lasso().fit(features, targets)
    assert score(Measure("r2"), targets, predictions_of(model, features, None)) == model.score(features, targets)
