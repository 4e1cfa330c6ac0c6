"""Gradient boosting in ONNX answers as scikit-learn does, on random models and rows."""

from typing import Any

import numpy as np
import pytest
from seeds import seeds
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from steelyard.serving.estimators import OnnxModel, SkopsModel
from steelyard_trainer.families.sklearn.boosting_onnx import boosting_to_onnx
from steelyard_trainer.families.sklearn.build import Estimator
from steelyard_trainer.families.sklearn.skops_files import estimator_bytes

BATCH = 50
EPOCH_SECONDS = 1.7e9


def without_holes(codes: np.ndarray) -> np.ndarray:
    """Codes 0, 1, 2 ..., as our preprocessing makes them of the words that training saw."""
    return np.unique(codes, return_inverse=True)[1].astype(float)


def table(random: np.random.Generator, categories: int) -> np.ndarray:
    """Codes first, then numbers of any size, epoch seconds among them; some tables have gaps."""
    rows = int(random.integers(30, 300))
    codes = [without_holes(random.integers(0, random.choice([2, 5, 40, 255]), rows)) for _ in range(categories)]
    numbers = random.normal(size=(rows, random.integers(1, 4))) * 10.0 ** random.integers(-6, 6)
    numbers += random.choice([0.0, EPOCH_SECONDS])
    features = np.column_stack([*codes, numbers])
    features[random.random(features.shape) < random.choice([0.0, 0.2])] = np.nan
    for index in range(categories):
        given = ~np.isnan(features[:, index])
        features[given, index] = without_holes(features[given, index])
    return features


def fitted(random: np.random.Generator, features: np.ndarray, categories: int) -> tuple[Estimator, int | None]:
    """A model of some kind, and how many classes it tells apart."""
    spread = np.nan_to_num(features[:, -1] - np.nanmean(features[:, -1]))
    signal = spread / (spread.std() + 1e-300) + np.nan_to_num(features[:, 0]) % 3
    settings: dict[str, Any] = {
        "max_iter": int(random.integers(1, 30)),
        "min_samples_leaf": int(random.integers(1, 20)),
        "categorical_features": list(range(categories)) or None,
        "early_stopping": bool(random.integers(2)),
        "random_state": 0,
    }
    parts = int(random.integers(1, 4))
    if parts == 1:
        target = signal * 10.0 ** random.integers(-3, 6) + random.choice([0, 1e6])
        return HistGradientBoostingRegressor(**settings).fit(features, target), None
    # By rank, so that each class has as many rows.
    labels = np.argsort(np.argsort(signal, kind="stable")) * parts // len(signal)
    return HistGradientBoostingClassifier(**settings).fit(features, labels), parts


def asked(random: np.random.Generator, features: np.ndarray, categories: int) -> np.ndarray:
    """Rows on the thresholds and beside them, with codes that nobody saw, and gaps."""
    rows = np.concatenate([features, features])
    rows[len(features) :, categories:] *= 1 + 1e-9 * random.normal(size=features[:, categories:].shape)
    for index in range(categories):
        rows[random.random(len(rows)) < 0.1, index] = random.choice([np.nan, 256.0, 300.0])
    rows[random.random(rows.shape) < 0.05] = np.nan
    return rows


@pytest.mark.parametrize("batch", seeds(20, few=1))
def test_onnx_answers_as_scikit_learn_does(batch: int) -> None:
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        random = np.random.default_rng(seed)
        categories = int(random.integers(0, 3))
        features = table(random, categories)
        with threadpool_limits(1):
            model, classes = fitted(random, features, categories)
            rows = asked(random, features, categories)
            expected = model.predict_proba(rows) if classes else model.predict(rows)[:, np.newaxis]
        # As it is saved: codes are taken as they are.
        model._preprocessor = None
        served = OnnxModel(boosting_to_onnx(model, rows.shape[1], classes))
        assert served.features_type is np.float64
        np.testing.assert_allclose(served.predict(rows), expected, rtol=1e-9, atol=1e-9, err_msg=f"seed {seed}")
        if seed % 10 == 0:
            saved = SkopsModel.load(estimator_bytes(model), classes)
            rows[:, :categories][rows[:, :categories] > 255] = np.nan
            np.testing.assert_allclose(saved.predict(rows), expected, rtol=1e-12, atol=1e-12)


def test_a_tree_that_is_one_leaf_and_a_class_that_training_never_saw() -> None:
    features = np.arange(40.0)[:, np.newaxis]
    model = HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=40, early_stopping=False)
    model.fit(features, np.repeat([0, 2], 20))
    served = OnnxModel(boosting_to_onnx(model, 1, 3))
    expected = np.insert(model.predict_proba(features), 1, 0.0, axis=1)
    np.testing.assert_allclose(served.predict(features), expected, rtol=1e-12)
