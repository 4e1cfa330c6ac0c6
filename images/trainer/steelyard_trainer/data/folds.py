"""Rows dealt to folds by chance, each class evenly. Imports numpy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def fold_of_rows(targets: NDArray[Any], classes: int | None, count: int, seed: int) -> NDArray[np.int64]:
    """The number of each row's fold, from 0; shape (rows,).

    Args:
        targets: shape (rows,): class indices or numbers.
        classes: how many classes there are, of which each fold gets an even share; None for regression.
        count: of the folds, which differ by a row at most.
        seed: which rows are together.
    """
    order = np.random.RandomState(seed).permutation(len(targets))
    if classes is not None:
        order = order[np.argsort(targets[order], kind="stable")]
    folds = np.empty(len(targets), np.int64)
    folds[order] = np.arange(len(targets)) % count
    return folds
