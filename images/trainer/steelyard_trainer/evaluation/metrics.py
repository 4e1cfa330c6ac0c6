"""What a model is judged by: metrics with their standard errors, the sampling error of the rows they were measured on.

Imports numpy, scikit-learn and steelyard.api.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sklearn_metrics

from steelyard.api.outcome import Metric
from steelyard.api.training_job import Task

PRIMARY: dict[Task, Metric] = {"Classification": "accuracy", "Regression": "r2"}
"""What candidates are weighed by and the generalization gap is measured in. More is better, of both."""

_LEAST_PROBABILITY = 1e-7
_RESAMPLES = 200
_GROUPS = 4096
_SEED = 0

Floats = npt.NDArray[np.float64]


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


Figures = dict[Metric, Figure]


def evaluate(task: Task, targets: npt.ArrayLike, outputs: npt.ArrayLike) -> Figures | None:
    """All metrics of the task.

    Args:
        task: what the model does.
        targets: shape (rows,), class indices or numbers.
        outputs: the model's, shape (rows, classes): probabilities; for regression (rows, 1).

    Returns:
        accuracy, macroF1, logLoss, or r2, rmse, mae; None where an output is not a finite number.

    Raises:
        ValueError: there are no rows.
    """
    values = np.asarray(outputs, dtype=np.float64)
    if len(values) == 0:
        raise ValueError("a model can't be judged on no rows")
    if not np.isfinite(values).all():
        return None
    if task == "Classification":
        return _classification(np.asarray(targets), values)
    return _regression(np.asarray(targets, dtype=np.float64), values.reshape(-1))


def _classification(targets: npt.NDArray[Any], probabilities: Floats) -> Figures:
    rows, classes = probabilities.shape
    predicted = probabilities.argmax(axis=1)
    accuracy = float(sklearn_metrics.accuracy_score(targets, predicted))
    macro_f1 = float(sklearn_metrics.f1_score(targets, predicted, average="macro", zero_division=0))
    # A quantized model's probabilities add up to 1 only nearly, and may be 0 for the class that it was.
    clipped = np.clip(probabilities, _LEAST_PROBABILITY, None)
    clipped /= clipped.sum(axis=1, keepdims=True)
    log_loss = float(sklearn_metrics.log_loss(targets, clipped, labels=range(classes)))
    return {
        "accuracy": Figure(accuracy, float(np.sqrt(accuracy * (1 - accuracy) / rows))),
        "macroF1": Figure(macro_f1, _macro_f1_error(targets, predicted, classes)),
        "logLoss": Figure(log_loss, _error_of_mean(-np.log(clipped[np.arange(rows), targets]))),
    }


def _regression(targets: Floats, predicted: Floats) -> Figures:
    errors = targets - predicted
    rmse = float(sklearn_metrics.root_mean_squared_error(targets, predicted))
    # One row has no variance to explain: scikit-learn's r2 is not defined there.
    r2 = float(sklearn_metrics.r2_score(targets, predicted)) if len(targets) > 1 else 0.0
    return {
        "r2": Figure(r2, _r2_error(targets, errors)),
        # The delta method: d sqrt(x) = dx / (2 sqrt(x)).
        "rmse": Figure(rmse, _error_of_mean(errors**2) / (2 * rmse) if rmse > 0 else 0.0),
        "mae": Figure(float(sklearn_metrics.mean_absolute_error(targets, predicted)), _error_of_mean(np.abs(errors))),
    }


def _error_of_mean(values: Floats) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def _macro_f1_error(targets: npt.NDArray[Any], predicted: npt.NDArray[Any], classes: int) -> float:
    """By bootstrap. A sample of rows with replacement is a multinomial sample of the confusion matrix's cells, so that
    the cost does not grow with the rows."""
    cells, counts = np.unique(targets.astype(np.int64) * classes + predicted, return_counts=True)
    truth, guess = np.divmod(cells, classes)
    is_hit = truth == guess

    def macro_f1(sample: npt.NDArray[np.int64]) -> float:
        hits = np.bincount(truth, sample * is_hit, classes)
        both = np.bincount(truth, sample, classes) + np.bincount(guess, sample, classes)
        return float((2 * hits[both > 0] / both[both > 0]).mean())

    return _bootstrap_error(counts, macro_f1)


def _r2_error(targets: Floats, errors: Floats) -> float:
    """By bootstrap over the sums of at most _GROUPS groups of rows, so that the cost does not grow with the rows, which
    are in random order."""
    rows = len(targets)
    if rows < 2:
        return 0.0
    centred = targets - targets.mean()
    bounds = np.linspace(0, rows, min(rows, _GROUPS), endpoint=False).astype(np.int64)
    columns = np.stack([np.ones(rows), centred, centred**2, errors**2])
    sums = np.add.reduceat(columns, bounds, axis=1)

    def r2(sample: npt.NDArray[np.int64]) -> float:
        count, linear, square, residual = sums @ sample
        total = square - linear**2 / count
        return float(1 - residual / total) if total > 0 else np.nan

    return _bootstrap_error(np.ones(len(bounds), dtype=np.int64), r2)


def _bootstrap_error(counts: npt.NDArray[np.int64], statistic: Callable[[npt.NDArray[np.int64]], float]) -> float:
    """The standard deviation of a statistic of resampled counts; the same for the same input."""
    generator = np.random.default_rng(_SEED)
    size = int(counts.sum())
    values = [statistic(generator.multinomial(size, counts / size)) for _ in range(_RESAMPLES)]
    # A resample of very few rows may be one row many times, whose r2 is not defined.
    defined = np.array(values)[np.isfinite(values)]
    return float(defined.std(ddof=1)) if len(defined) > 1 else 0.0
