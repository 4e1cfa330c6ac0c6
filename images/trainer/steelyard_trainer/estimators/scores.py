"""What a fitted model says of rows, and one metric of it by scikit-learn's own definition. Imports scikit-learn."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sklearn_metrics

from steelyard.api.errors import DataError
from steelyard.api.outcome import Metric
from steelyard_trainer.estimators.build import Estimator
from steelyard_trainer.estimators.features import Matrix

Targets = npt.NDArray[Any]


@dataclass(frozen=True)
class Predictions:
    """Of some rows. What no metric asks for is not computed. Both raise DataError as `asked` does."""

    predict: Callable[[], Targets]
    """Shape (rows,): class indices, or numbers."""
    probabilities: Callable[[], Matrix]
    """Classification: shape (rows, classes), for all classes, seen in training or not."""


def predictions_of(estimator: Estimator, features: Matrix, classes: int | None) -> Predictions:
    """What a fitted model says."""

    def probabilities() -> Matrix:
        said = asked(lambda: estimator.predict_proba(features))
        return for_all_classes(said, estimator.classes_, classes or 0)

    return Predictions(lambda: asked(lambda: estimator.predict(features)), probabilities)


def asked(ask: Callable[[], Targets]) -> Targets:
    """What a model says. Raises DataError where scikit-learn refuses the rows, as a forest does numbers that are beyond
    float32."""
    try:
        with np.errstate(over="ignore"):
            return ask()
    except ValueError as error:
        raise DataError(f"scikit-learn can't ask the model about the rows: {error}") from None


def outputs_of(estimator: Estimator, features: Matrix, classes: int | None) -> Matrix:
    """What a model of the same kind would be published to say: shape (rows, classes), or (rows, 1) for regression.
    Raises DataError as `asked` does."""
    predictions = predictions_of(estimator, features, classes)
    return predictions.probabilities() if classes else np.asarray(predictions.predict(), np.float64)[:, np.newaxis]


def for_all_classes(probabilities: Matrix, seen: npt.NDArray[Any], classes: int) -> Matrix:
    """With a column of zeros for each class that training did not see."""
    if len(seen) == classes:
        return probabilities
    filled = np.zeros((len(probabilities), classes))
    filled[:, seen] = probabilities
    return filled


def score(metric: Metric, targets: Targets, predictions: Predictions) -> float:
    """A metric as scikit-learn defines it, at its defaults. NaN where it is not defined, as r2 of one row."""
    match metric:
        case "accuracy":
            return float(sklearn_metrics.accuracy_score(targets, predictions.predict()))
        case "macroF1":
            found = sklearn_metrics.f1_score(targets, predictions.predict(), average="macro", zero_division=0)
            return float(found)
        case "logLoss":
            probabilities = predictions.probabilities()
            return float(sklearn_metrics.log_loss(targets, probabilities, labels=range(probabilities.shape[1])))
        case "r2":
            return float(sklearn_metrics.r2_score(targets, predictions.predict())) if len(targets) > 1 else float("nan")
        case "rmse":
            return float(sklearn_metrics.root_mean_squared_error(targets, predictions.predict()))
        case "mae":
            return float(sklearn_metrics.mean_absolute_error(targets, predictions.predict()))


def finite(metric: Metric, value: float, part: str) -> float:
    """A score that is a number. Raises DataError where it is none.

    Args:
        metric: what it is.
        value: the score.
        part: the rows that it is of, in words.
    """
    if not math.isfinite(value):
        raise DataError(f"{metric} of {part} is {value}: it is not defined on so few rows, or too large")
    return value
