"""What a linear model reaches on the same rows: where it is as good, compression proves little. Imports numpy, the
contract and the metrics; scikit-learn's models on first use.
"""

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from steelyard.api.metrics import Measure, Task
from steelyard.contract.report import HeadroomReport
from steelyard_trainer.data.labelled import Labelled
from steelyard_trainer.data.splitting import SplitName
from steelyard_trainer.evaluation.metrics import evaluate, reported

MOST_ROWS = 20_000
MOST_NUMBERS = 10_000_000
"""Rows times features times outputs that are fitted: some seconds at most."""
LEAST_ROWS = 200
"""Where a table is so wide that not even so many are, none is fitted."""
PENALTIES = (100.0, 1.0, 0.01)
"""Of the squared weights: alpha of Ridge, 1 / C of LogisticRegression. The largest first: each fit of the latter goes
on from the one before."""

Array: TypeAlias = npt.NDArray[Any]
Predict: TypeAlias = Callable[[Array], Array]


def headroom(
    task: Task, primary: Measure, classes: Sequence[str] | None, read: Callable[[SplitName], Labelled], seed: int
) -> HeadroomReport | None:
    """The best of three linear models, by the validation set, on the test set.

    Args:
        task: what is learned.
        primary: the metric that decides. Where it counts labels alike that have few rows and many, so does the fit.
        classes: the labels; None for regression.
        read: gives the rows of a part as networks take them: numbers of a like size, without gaps.
        seed: which training rows are learned, of more than MOST_ROWS or of a wide table.

    Returns:
        None where nothing can be learned: the rows have one label, or the table is too wide.
    """
    training, outputs = read("train"), 1 if classes is None else len(classes)
    rows, width = training.features.shape
    most = min(MOST_ROWS, MOST_NUMBERS // max(1, width * outputs))
    if most < min(rows, LEAST_ROWS):
        return None
    features, targets = _some(training, most, seed)
    if classes is not None and len(np.unique(targets)) < 2:
        return None
    validation, sign = read("validation"), 1.0 if primary.info.goal == "Maximize" else -1.0
    best: tuple[float, float, Predict] | None = None
    fitted = _ridges(features, targets) if classes is None else _logistic(features, targets, len(classes), primary)
    for penalty, predict in fitted:
        figures = evaluate(task, validation.targets, predict(validation.features), [primary], classes)
        if figures is not None and (best is None or sign * figures[primary.name].value > sign * best[0]):
            best = figures[primary.name].value, penalty, predict
    if best is None:
        return None
    test = read("test")
    judged = evaluate(task, test.targets, best[2](test.features), [primary], classes)
    if judged is None:
        return None
    return HeadroomReport(rows=len(targets), penalty=best[1], linear=reported(judged)[primary.name])


def _some(training: Labelled, most: int, seed: int) -> tuple[Array, Array]:
    """All rows, or some of them where there are more than so many."""
    rows = len(training.targets)
    if rows <= most:
        return training.features, training.targets
    taken = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    return training.features[taken], training.targets[taken]


def _ridges(features: Array, targets: Array) -> Iterator[tuple[float, Predict]]:
    from sklearn.linear_model import Ridge

    # In float32 it would round targets as large as a date in seconds.
    numbers = features.astype(np.float64)
    for penalty in PENALTIES:
        yield penalty, partial(_numbers, Ridge(alpha=penalty).fit(numbers, targets))


def _numbers(fitted: Any, rows: Array) -> Array:
    predicted: Array = fitted.predict(rows.astype(np.float64))
    return predicted.reshape(-1, 1)


def _logistic(features: Array, targets: Array, classes: int, primary: Measure) -> Iterator[tuple[float, Predict]]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    counts_alike = primary.info.reads == "Labels" and primary.metric not in ("accuracy", "precision")
    model = LogisticRegression(warm_start=True, class_weight="balanced" if counts_alike else None)

    for penalty in PENALTIES:
        with warnings.catch_warnings():
            # As far as the steps go is good enough.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.set_params(C=1 / penalty).fit(features, targets)
        yield penalty, partial(_probabilities, copy.deepcopy(model), classes)


def _probabilities(fitted: Any, classes: int, rows: Array) -> Array:
    outputs = np.zeros((len(rows), classes))
    # Not each label need be among the rows that were learned.
    outputs[:, fitted.classes_] = fitted.predict_proba(rows)
    return outputs
