"""What a model is judged by: metrics with their standard errors, the sampling error of the rows they were measured on.

Imports numpy, steelyard.api, the contract, the formulas and the errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from steelyard.api.metrics import Measure, Task, basic_measures
from steelyard.contract.report import FigureReport
from steelyard.texts.figures import with_error
from steelyard_trainer.evaluation.formulas import Floats, clipped, of_labels, of_numbers, of_probabilities, of_ranking
from steelyard_trainer.evaluation.sampling import (
    error_of_labels,
    error_of_numbers,
    error_of_probabilities,
    error_of_ranking,
)


@dataclass(frozen=True)
class Figure:
    """A metric's value."""

    value: float
    standard_error: float
    """Of the value, for the choice of rows; 0 for a single row."""

    def __str__(self) -> str:
        return with_error(self.value, self.standard_error, 6)

    def to_json(self) -> dict[str, float]:
        """The figure as JSON values."""
        return {"value": self.value, "standardError": self.standard_error}

    @classmethod
    def from_json(cls, document: dict[str, float]) -> "Figure":
        """Raises KeyError where the document is no figure."""
        return cls(document["value"], document["standardError"])


Figures = dict[str, Figure]
"""By `Measure.name`."""


def reported(figures: Figures) -> dict[str, FigureReport]:
    """Figures as steelyard.json has them."""
    return {name: FigureReport(value=each.value, standard_error=each.standard_error) for name, each in figures.items()}


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
    figures: Figures = {}
    for measure in basic_measures(task) if measures is None else measures:
        class_index = class_index_of(measure, classes)
        value = value_of(measure, np.asarray(targets), values, class_index)
        figures[measure.name] = Figure(value, _error_of(measure, np.asarray(targets), values, class_index))
    return figures


def class_index_of(measure: Measure, classes: Sequence[str] | None) -> int | None:
    """The index of the class that a measure is of; None where it is of all. Raises ValueError for an unknown one."""
    return None if measure.label is None else list(classes or ()).index(measure.label)


def value_of(measure: Measure, targets: npt.NDArray[Any], outputs: npt.NDArray[Any], class_index: int | None) -> float:
    """A metric alone, without its error.

    Args:
        measure: which.
        targets: shape (rows,), class indices or numbers.
        outputs: shape (rows, classes): probabilities; for regression (rows, 1); all finite.
        class_index: of one class; None: over all of them.
    """
    values = np.asarray(outputs, dtype=np.float64)
    match measure.info.reads:
        case "Numbers":
            value = of_numbers(measure.metric, np.asarray(targets, dtype=np.float64), values.reshape(-1))
            # One row has no variance to explain: scikit-learn's r2 is not defined there.
            return 0.0 if np.isnan(value) else value
        case "Probabilities":
            return of_probabilities(measure.metric, targets, clipped(values))
        case "Ranking":
            return of_ranking(measure.metric, targets, values, class_index)
        case "Labels":
            return of_labels(measure.metric, targets, values.argmax(axis=1), class_index)


def _error_of(measure: Measure, targets: npt.NDArray[Any], outputs: Floats, class_index: int | None) -> float:
    """The standard error of a metric's value."""
    match measure.info.reads:
        case "Numbers":
            return error_of_numbers(measure.metric, np.asarray(targets, dtype=np.float64), outputs.reshape(-1))
        case "Probabilities":
            return error_of_probabilities(measure.metric, targets, outputs)
        case "Ranking":
            return error_of_ranking(measure.metric, targets, outputs, class_index)
        case "Labels":
            return error_of_labels(measure.metric, targets, outputs.argmax(axis=1), outputs.shape[1], class_index)
