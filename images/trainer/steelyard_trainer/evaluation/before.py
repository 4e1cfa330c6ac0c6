"""What compression changed: the model without it on the test set, beside the published one. Imports numpy, the contract
and the metrics.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from steelyard.api.metrics import Measure, Task
from steelyard.contract.report import AnswersReport, BeforeReport, RecallReport
from steelyard_trainer.evaluation.evidence import errors_of
from steelyard_trainer.evaluation.metrics import evaluate, reported

Array = npt.NDArray[Any]


def before_of(
    task: Task, measures: Sequence[Measure], classes: Sequence[str] | None, targets: Array, before: Array, after: Array
) -> BeforeReport | None:
    """What is said of the model without compression.

    Args:
        task: what the model does.
        measures: what is told.
        classes: the labels; None for regression.
        targets: of the test set, shape (rows,).
        before: the outputs of the model without compression, shape (rows, classes) or (rows, 1).
        after: those of the published one.

    Returns:
        None where an output of the model without compression is no finite number.
    """
    figures = evaluate(task, targets, before, measures, classes)
    if figures is None:
        return None
    return BeforeReport(
        metrics=reported(figures),
        errors=errors_of(classes, targets, before),
        answers=None if classes is None else _answers(targets, before.argmax(axis=1), after.argmax(axis=1)),
        recalls=None if classes is None else _recalls(classes, targets, before.argmax(axis=1), after.argmax(axis=1)),
    )


def _answers(targets: Array, before: Array, after: Array) -> AnswersReport:
    was_right, is_right = before == targets, after == targets
    return AnswersReport(
        rows=len(targets),
        differing=int((before != after).sum()),
        lost=int((was_right & ~is_right).sum()),
        won=int((is_right & ~was_right).sum()),
    )


def _recalls(classes: Sequence[str], targets: Array, before: Array, after: Array) -> list[RecallReport]:
    rows = np.bincount(targets, minlength=len(classes))
    right = [np.bincount(targets[said == targets], minlength=len(classes)) for said in (before, after)]
    return [
        RecallReport(
            label=label,
            rows=int(rows[index]),
            before=right[0][index] / rows[index],
            after=right[1][index] / rows[index],
        )
        for index, label in enumerate(classes)
        if rows[index]
    ]
