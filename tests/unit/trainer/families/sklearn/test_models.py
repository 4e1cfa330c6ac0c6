"""scikit-learn's models as the manifest describes them: settings, what is refused, the file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Lasso
from sklearn_specs import spec

from steelyard.api.errors import ConfigurationError, DataError
from steelyard.api.models import Model
from steelyard_trainer.families.sklearn.build import build_estimator, form_of
from steelyard_trainer.families.sklearn.fitting import fit
from steelyard_trainer.families.sklearn.saving import load_estimator, save_estimator

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
