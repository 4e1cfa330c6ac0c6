"""How many rows a proof needs, and what is said where there are fewer. Imports the standard library and the api."""

import math
from collections.abc import Mapping
from statistics import NormalDist

from steelyard.api.losses import allowed, share_of
from steelyard.api.metrics import Measure, Task
from steelyard.api.training_job import TrainingJobSpec

LEAST_ROWS = 30
"""Fewer prove nothing: with very few rows score tests are wrong too often."""


def rows_to_prove(budget: float, worst: float, confidence: float) -> int | None:
    """The fewest rows by which a model that answers as another one does is shown to lose no more than a budget.

    The upper bound of the loss of n rows of which none loses is worst * z^2 / (n + z^2), where z is the quantile of the
    normal distribution (Tango, 1998, with worst 1, is the case of accuracy).

    Args:
        budget: the most that may be lost.
        worst: the most that a row may lose: of accuracy 1.
        confidence: one-sided.

    Returns:
        The number; None where no number is enough.
    """
    if budget >= worst:
        return LEAST_ROWS
    if budget <= 0 or not math.isfinite(worst):
        return None
    return max(LEAST_ROWS, math.ceil(NormalDist().inv_cdf(confidence) ** 2 * (worst / budget - 1) - 1e-9))


def most_rows_needed(spec: TrainingJobSpec) -> int | None:
    """How many validation rows are enough for `too_few_rows` to say nothing; None where it says nothing anyhow, or
    no number is enough. With CrossFitted all rows prove but the test set's: prepare has counted them."""
    compression = spec.compression
    if compression is None or compression.sure is None or compression.is_cross_fitted or not spec.compresses:
        return None
    if spec.evaluation.measure not in (None, Measure("accuracy")):
        return None
    return rows_to_prove(compression.max_metric_drop, 1.0, compression.sure) or 0


def too_few_rows(
    spec: TrainingJobSpec, task: Task, rows: int, class_rows: Mapping[str, int] | None = None
) -> str | None:
    """What is to be said before anything is trained: that the validation set will prove nothing; None where it may.

    Only of accuracy, and of classes' recalls, it is known so early how many rows are needed.

    Args:
        spec: the job's.
        task: what the model does.
        rows: those that prove: of the validation set, with CrossFitted those of the training set beside them.
        class_rows: the same by label; None where they are not known.
    """
    compression, measure = spec.compression, spec.measure(task)
    if compression is None or compression.sure is None or not spec.compresses:
        return None
    checks = [(compression.max_metric_drop, measure, "", rows)] if measure == Measure("accuracy") else []
    if compression.max_class_drop is not None and class_rows:
        label = min(class_rows, key=lambda label: class_rows[label])
        recall = Measure("recall", label)
        checks.append((compression.max_class_drop, recall, f" of class {label!r}", class_rows[label]))
    follows = {
        "Point": "the two numbers will be compared, and the model called not proved",
        "Baseline": "the model without compression will be published",
        "Fail": "the job will fail",
    }[compression.on_too_few_rows or "Point"]
    rows_are = "training and validation" if compression.is_cross_fitted else "validation"
    for budget, checked, of_class, there in checks:
        needed = rows_to_prove(budget, 1.0, compression.sure)
        if needed is None or there < needed:
            enough = "no number of rows would be enough"
            if needed is not None:
                enough = f"that takes {needed:,} {rows_are} rows{of_class}, there are {there:,}"
            return (
                f"not even an equal model can be proved to lose at most {allowed(checked, budget)} of {checked.name} "
                f"with {share_of(compression.sure)}: {enough}; {follows} "
                "(compression.onTooFewRows)"
            )
    return None
