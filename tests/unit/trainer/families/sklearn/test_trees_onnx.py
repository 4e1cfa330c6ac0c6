"""Forests and gradient boosting as TreeEnsemble: what scikit-learn says, in fewer bytes than its own file."""

from typing import Any

import numpy as np
import onnx
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor

from steelyard.serving.estimators import OnnxModel
from steelyard.serving.interface import TargetUnit
from steelyard_trainer.families.sklearn.boosting_onnx import boosting_to_onnx
from steelyard_trainer.families.sklearn.forests_onnx import at_most, forest_to_onnx
from steelyard_trainer.families.sklearn.skops_files import estimator_bytes

FEATURES = np.random.default_rng(0).normal(size=(300, 4)) * [1, 1e-3, -1e5, 1]
SIGNAL = FEATURES[:, 0] + FEATURES[:, 1] * 1e3 + np.random.default_rng(1).normal(size=300)
THREE = np.digitize(SIGNAL, [-1, 1])
# On the thresholds themselves, and beside them.
ASKED = np.vstack([FEATURES, FEATURES.astype(np.float32), (FEATURES[1:] + FEATURES[:-1]) / 2])


def check(content: bytes) -> Any:
    """A file's operators, which onnx itself finds nothing wrong with."""
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize(
    ("labels", "classes", "settings", "operators"),
    [
        ((SIGNAL > 0) * 1, 2, {}, ["TreeEnsemble", "Sub", "Concat"]),
        (THREE, 3, {}, ["TreeEnsemble"]),
        (THREE * 2, 5, {}, ["TreeEnsemble"]),
        (THREE, 3, {"min_samples_leaf": 5}, ["TreeEnsemble", "Cast", "Gather", "Cast", "ReduceSum", "Mul"]),
        (THREE * 2, 6, {"max_depth": 2, "class_weight": "balanced"}, None),
        (np.full(300, 1), 2, {}, ["TreeEnsemble"]),
    ],
    ids=["two", "pure", "pure, some unseen", "mixed", "mixed, some unseen", "one leaf"],
)
def test_a_forest_says_the_same_probabilities(
    labels: Any, classes: int, settings: dict[str, Any], operators: list[str] | None
) -> None:
    forest = RandomForestClassifier(7, random_state=0, **settings).fit(FEATURES, labels)
    content = forest_to_onnx(forest, 4, classes, None)
    assert check(content) == (operators or check(content))
    model = OnnxModel(content)
    said = np.zeros((len(ASKED), classes))
    said[:, forest.classes_] = forest.predict_proba(ASKED)
    assert (model.width, model.outputs, model.features_type) == (4, classes, np.float32)
    np.testing.assert_allclose(model.predict(ASKED), said, atol=1e-5)
    assert len(content) < len(estimator_bytes(forest))


def test_a_forest_of_numbers_gives_the_standardized_target() -> None:
    forest = RandomForestRegressor(7, random_state=0).fit(FEATURES, 1e6 + SIGNAL)
    unit = TargetUnit(1e6, 2.0)
    content = forest_to_onnx(forest, 4, None, unit)
    said = unit.restored(OnnxModel(content).predict(ASKED))[:, 0]
    np.testing.assert_allclose(said, forest.predict(ASKED), atol=1e-5)
    assert len(content) < len(estimator_bytes(forest)) / 1.5


def test_a_threshold_in_float32_leaves_every_float32_on_its_side() -> None:
    thresholds = np.random.default_rng(0).normal(size=1000)
    near = at_most(thresholds)
    assert (near <= thresholds).all() and (thresholds < np.nextafter(near, np.float32(np.inf))).all()


@pytest.mark.parametrize(("offset", "number"), [(0.0, np.float32), (1e9, np.float64)])
def test_boosting_is_in_float32_where_no_learned_row_changes_sides(offset: float, number: type) -> None:
    """Seconds since 1970 differ in digits that float32 does not have."""
    features = np.column_stack([FEATURES[:, 0] + offset, FEATURES[:, 1]])
    features[::9] = np.nan
    target = 50 + 10 * SIGNAL
    boosting = HistGradientBoostingRegressor(max_iter=20, early_stopping=False).fit(features, target)
    unit = TargetUnit(50.0, 10.0)
    content = boosting_to_onnx(boosting, 2, None, unit, features)
    assert check(content) == ["TreeEnsemble", "Add"]
    model = OnnxModel(content)
    assert model.features_type is number
    said = model.predict(features)[:, 0]
    np.testing.assert_allclose(
        said if number is np.float64 else unit.restored(said), boosting.predict(features), rtol=1e-5
    )
    assert len(content) < len(boosting_to_onnx(boosting, 2, None)) or number is np.float64
