"""What a fitted model says of rows, and one metric of it by scikit-learn's own definition. Imports scikit-learn."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from steelyard.api.errors import DataError
from steelyard.api.metrics import Measure
from steelyard_trainer.evaluation.formulas import of_labels, of_numbers, of_probabilities, of_ranking
from steelyard_trainer.evaluation.metrics import class_index_of
from steelyard_trainer.families.sklearn.build import Estimator
from steelyard_trainer.families.sklearn.features import Matrix

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


def score(measure: Measure, targets: Targets, predictions: Predictions, classes: Sequence[str] | None = None) -> float:
    """A metric as scikit-learn defines it, at its defaults. NaN where it is not defined, as r2 of one row.

    Args:
        measure: the metric.
        targets: shape (rows,): class indices, or numbers.
        predictions: what the model says of the rows.
        classes: the labels, by class index; needed where the measure is of one class.
    """
    class_index = class_index_of(measure, classes)
    match measure.info.reads:
        case "Probabilities":
            return of_probabilities(measure.metric, targets, predictions.probabilities())
        case "Ranking":
            return of_ranking(measure.metric, targets, predictions.probabilities(), class_index)
        case "Labels":
            return of_labels(measure.metric, targets, predictions.predict(), class_index)
        case "Numbers":
            return of_numbers(measure.metric, targets, predictions.predict())


def finite(measure: Measure, value: float, part: str) -> float:
    """A score that is a number. Raises DataError where it is none.

    Args:
        measure: what it is.
        value: the score.
        part: the rows that it is of, in words.
    """
    if not math.isfinite(value):
        raise DataError(f"{measure.name} of {part} is {value}: it is not defined on so few rows, or too large")
    return value
