"""The rows that steer a search of candidates, set aside from the training set. Imports numpy and the trainer's data."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard_trainer.data.splitting import Indices, TooFewRowsError, cut_rows

MOST_ROWS = 20_000
_SHARE = 5


def set_aside(targets: NDArray[Any], classes: int | None, seed: int) -> tuple[Indices, Indices]:
    """A fifth of the training rows, at most MOST_ROWS, by the seed; stratified where each class has rows enough.

    Args:
        targets: of the training rows, shape (rows,): class indices or numbers.
        classes: how many classes there are; None for regression.
        seed: which rows they are.

    Returns:
        The rows that are learned, and those that are set aside, which are none of fewer than five.
    """
    rows, parts = len(targets), ("training", "search")
    count = min(rows // _SHARE, MOST_ROWS)
    codes = None if classes is None else targets.astype(np.int32)
    try:
        return cut_rows(rows, count, seed, codes, parts)
    except TooFewRowsError:
        return cut_rows(rows, count, seed, None, parts)
