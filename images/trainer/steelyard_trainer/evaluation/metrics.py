"""What a model is judged by: metrics with their standard errors, the sampling error of the rows they were measured on.

Imports numpy, steelyard.api, the formulas and the errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from steelyard.api.metrics import Measure, Task, basic_measures
from steelyard_trainer.evaluation.formulas import Floats, clipped, log_loss, of_labels, of_numbers, of_ranking
from steelyard_trainer.evaluation.sampling import (
    error_of_labels,
    error_of_log_loss,
    error_of_numbers,
    error_of_ranking,
)


@dataclass(frozen=True)
class Figure:
    """A metric's value."""

    value: float
    standard_error: float
    """Of the value, for the choice of rows; 0 for a single row."""

    def __str__(self) -> str:
        return f"{self.value:.6g} ± {self.standard_error:.2g}"

    def to_json(self) -> dict[str, float]:
        """The figure as JSON values."""
        return {"value": self.value, "standardError": self.standard_error}

    @classmethod
    def from_json(cls, document: dict[str, float]) -> "Figure":
        """Raises KeyError where the document is no figure."""
        return cls(document["value"], document["standardError"])


Figures = dict[str, Figure]
"""By `Measure.name`."""


def evaluate(
    task: Task,
    targets: npt.ArrayLike,
    outputs: npt.ArrayLike,
    measures: Sequence[Measure] | None = None,
    classes: Sequence[str] | None = None,
) -> Figures | None:
    """What a model is worth on some rows.

    Args:
        task: what the model does.
        targets: shape (rows,), class indices or numbers.
        outputs: the model's, shape (rows, classes): probabilities; for regression (rows, 1).
        measures: metrics of the task. Default: accuracy, macroF1, logLoss, or r2, rmse, mae.
        classes: the labels, by class index; needed where a measure is of one class.

    Returns:
        The figures by the measures' names; None where an output is not a finite number.

    Raises:
        ValueError: there are no rows.
    """
    values = np.asarray(outputs, dtype=np.float64)
    if len(values) == 0:
        raise ValueError("a model can't be judged on no rows")
    if not np.isfinite(values).all():
        return None
    wanted = basic_measures(task) if measures is None else measures
    if task == "Regression":
        numbers, predicted = np.asarray(targets, dtype=np.float64), values.reshape(-1)
        return {measure.name: _of_numbers(measure, numbers, predicted) for measure in wanted}
    labels, guesses = np.asarray(targets), values.argmax(axis=1)
    return {
        measure.name: _of_classes(measure, labels, values, guesses, class_index_of(measure, classes))
        for measure in wanted
    }


def class_index_of(measure: Measure, classes: Sequence[str] | None) -> int | None:
    """The index of the class that a measure is of; None where it is of all. Raises ValueError for an unknown one."""
    return None if measure.label is None else list(classes or ()).index(measure.label)


def _of_classes(
    measure: Measure,
    targets: npt.NDArray[Any],
    probabilities: Floats,
    predicted: npt.NDArray[Any],
    class_index: int | None,
) -> Figure:
    match measure.metric:
        case "accuracy":
            accuracy = of_labels("accuracy", targets, predicted)
            return Figure(accuracy, float(np.sqrt(accuracy * (1 - accuracy) / len(targets))))
        case "logLoss":
            return Figure(log_loss(targets, clipped(probabilities)), error_of_log_loss(targets, probabilities))
        case "rocAuc" | "averagePrecision" as metric:
            value = of_ranking(metric, targets, probabilities, class_index)
            return Figure(value, error_of_ranking(metric, targets, probabilities, class_index))
        case metric:
            value = of_labels(metric, targets, predicted, class_index)
            return Figure(value, error_of_labels(metric, targets, predicted, probabilities.shape[1], class_index))


def _of_numbers(measure: Measure, targets: Floats, predicted: Floats) -> Figure:
    value = of_numbers(measure.metric, targets, predicted)
    # One row has no variance to explain: scikit-learn's r2 is not defined there.
    value = 0.0 if np.isnan(value) else value
    return Figure(value, error_of_numbers(measure.metric, targets, predicted))
