"""The metrics' values, as scikit-learn defines them. Imports numpy, scikit-learn and steelyard.api.

A class that the rows do not have: rocAuc is not defined of a class that no row or every row has. Such classes are left
out of the mean; where none is left it is 0.5, which is chance. averagePrecision leaves out classes without rows; where
none is left it is 0. precision, recall and f1 count a class that is neither there nor given to any row as not there,
and a division of 0 by 0 as 0. balancedAccuracy is over the classes that the rows have.
"""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sklearn_metrics

from steelyard.api.metrics import Metric

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[Any]
"""Class indices, shape (rows,)."""

LEAST_PROBABILITY = 1e-7
"""What a probability of 0 for the right class counts as in a published model's logLoss."""
_CHANCE = 0.5


def of_labels(metric: Metric, targets: Labels, predicted: Labels, class_index: int | None = None) -> float:
    """A metric of the classes that a model gives: accuracy, macroF1, balancedAccuracy, precision, recall, f1.

    Args:
        metric: which.
        targets: the right classes.
        predicted: those that the model gives.
        class_index: of one class; None: over all of them.
    """
    if class_index is not None:
        targets, predicted = targets == class_index, predicted == class_index
    average = "binary" if class_index is not None else "macro"
    with warnings.catch_warnings():
        # Of classes that are given and are not there, which balancedAccuracy leaves out.
        warnings.simplefilter("ignore", UserWarning)
        match metric:
            case "accuracy":
                return float(sklearn_metrics.accuracy_score(targets, predicted))
            case "balancedAccuracy":
                return float(sklearn_metrics.balanced_accuracy_score(targets, predicted))
            case "precision":
                found = sklearn_metrics.precision_score(targets, predicted, average=average, zero_division=0)
            case "recall":
                found = sklearn_metrics.recall_score(targets, predicted, average=average, zero_division=0)
            case "macroF1" | "f1":
                found = sklearn_metrics.f1_score(targets, predicted, average=average, zero_division=0)
            case _:
                raise ValueError(f"{metric} is no metric of labels")
    return float(found)


def of_ranking(metric: Metric, targets: Labels, probabilities: Floats, class_index: int | None = None) -> float:
    """A metric of the order in which the rows come by their probability of a class: rocAuc, averagePrecision.

    Args:
        metric: which.
        targets: the right classes.
        probabilities: shape (rows, classes).
        class_index: of one class against the others; None: of two classes the second, as scikit-learn has it, of more
            the mean over the classes.
    """
    values = [
        roc_auc(is_positive, scores) if metric == "rocAuc" else average_precision(is_positive, scores)
        for is_positive, scores in ranked(metric, targets, probabilities, class_index)
    ]
    if not values:
        return _CHANCE if metric == "rocAuc" else 0.0
    return float(np.mean(values))


def ranked(
    metric: Metric, targets: Labels, probabilities: Floats, class_index: int | None
) -> Iterator[tuple[npt.NDArray[np.bool_], Floats]]:
    """(whether a row is of the class, its probability), for each class that the metric is the mean over."""
    count = probabilities.shape[1]
    classes = [class_index] if class_index is not None else [1] if count == 2 else list(range(count))
    for index in classes:
        is_positive = targets == index
        if is_positive.any() and not (metric == "rocAuc" and is_positive.all()):
            yield is_positive, probabilities[:, index]


def roc_auc(is_positive: npt.NDArray[np.bool_], scores: Floats) -> float:
    """The area under the curve of one class, of which some rows are, and some are not."""
    return float(sklearn_metrics.roc_auc_score(is_positive, scores))


def average_precision(is_positive: npt.NDArray[np.bool_], scores: Floats) -> float:
    """The average precision of one class, of which some rows are."""
    return float(sklearn_metrics.average_precision_score(is_positive, scores))


def clipped(probabilities: Floats) -> Floats:
    """Probabilities of which none is 0: a quantized model's add up to 1 only nearly, and may be 0 for the right class.

    Args:
        probabilities: shape (rows, classes).
    """
    kept: Floats = np.clip(probabilities, LEAST_PROBABILITY, None)
    kept /= kept.sum(axis=1, keepdims=True)
    return kept


def of_probabilities(metric: Metric, targets: Labels, probabilities: Floats) -> float:
    """A metric of all probabilities, of shape (rows, classes): logLoss, the mean negative log of the right class's."""
    if metric != "logLoss":
        raise ValueError(f"{metric} is no metric of probabilities")
    return float(sklearn_metrics.log_loss(targets, probabilities, labels=range(probabilities.shape[1])))


def of_numbers(metric: Metric, targets: Floats, predicted: Floats) -> float:
    """A metric of numbers, both of shape (rows,): r2 (NaN for one row, which has no variance to explain), rmse, mae,
    mape, medianAe."""
    match metric:
        case "r2":
            return float(sklearn_metrics.r2_score(targets, predicted)) if len(targets) > 1 else float("nan")
        case "rmse":
            return float(sklearn_metrics.root_mean_squared_error(targets, predicted))
        case "mae":
            return float(sklearn_metrics.mean_absolute_error(targets, predicted))
        case "mape":
            return float(sklearn_metrics.mean_absolute_percentage_error(targets, predicted))
        case "medianAe":
            return float(sklearn_metrics.median_absolute_error(targets, predicted))
    raise ValueError(f"{metric} is no metric of numbers")
