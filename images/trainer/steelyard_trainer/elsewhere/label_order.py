"""Whether the outputs of a model from elsewhere are in another order than the labels. Pure; imports numpy and SciPy."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from steelyard_trainer.data.words import listed

_LEAST_ROWS = 50
_LEAST_SHARE, _TIMES = 0.5, 2.0
"""What another order must have right at least, and how many times what the labels' own has: a model that guesses comes
nowhere near by chance."""


def wrong_order(answers: npt.NDArray[Any], targets: npt.NDArray[Any], labels: Sequence[str]) -> str | None:
    """What to tell where the outputs fit the labels much better in another order; None where they do not.

    Args:
        answers: probabilities, shape (rows, classes).
        targets: class indices, shape (rows,).
        labels: by class index.
    """
    classes = len(labels)
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (targets, answers.argmax(axis=1)), 1)
    rows, right = int(counts.sum()), int(np.trace(counts))
    of_labels, outputs = linear_sum_assignment(counts, maximize=True)
    best = int(counts[of_labels, outputs].sum())
    if rows < _LEAST_ROWS or best < rows * _LEAST_SHARE or best < right * _TIMES:
        return None
    order = [labels[label] for _, label in sorted(zip(outputs.tolist(), of_labels.tolist(), strict=True))]
    return (
        f"its outputs were taken for {listed(labels, 20)}, in this order, and have {right / rows:.0%} of {rows:,} rows "
        f"right; in the order {listed(order, 20)} they have {best / rows:.0%}: number the labels in the table as the "
        "model does, from 0"
    )
