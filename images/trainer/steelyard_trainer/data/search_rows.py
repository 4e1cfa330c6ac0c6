"""The rows that steer a search of candidates, set aside from the training set. Imports numpy and the split."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard_trainer.data.splitting import Indices, Split, TooFewRowsError, cut_rows

MOST_ROWS = 20_000
_SHARE = 5
_PARTS = ("training", "search")


def set_aside(targets: NDArray[Any], classes: int | None, seed: int) -> tuple[Indices, Indices]:
    """A fifth of the training rows, at most MOST_ROWS, by the seed; stratified where there are rows enough of each
    class. Every class keeps a row that is learned.

    Args:
        targets: of the training rows, shape (rows,): class indices or numbers.
        classes: how many classes there are; None for regression.
        seed: which rows they are.

    Returns:
        The rows that are learned, ascending, and those that are set aside, which are none of fewer than five.
    """
    rows = len(targets)
    count = min(rows // _SHARE, MOST_ROWS)
    search = np.empty(0, np.int32) if not count else _cut(rows, count, seed, None if classes is None else targets)
    is_learned = np.ones(rows, dtype=np.bool_)
    is_learned[search] = False
    return np.flatnonzero(is_learned).astype(np.int32), search


def with_search_rows(split: Split, codes: Indices | None, groups: NDArray[Any] | None, seed: int) -> Split:
    """A split whose search rows are taken out of the training set.

    Args:
        split: deals the rows out to training, validation and test.
        codes: the class of every row; None for regression.
        groups: what says of every row, but those of a test file, which others belong with it; whole groups are set
            aside then, unless a class would have no row left. None: rows are by themselves.
        seed: which rows they are.
    """
    targets = np.zeros(len(split.train)) if codes is None else codes[split.train]
    learned, search = set_aside(targets, None if codes is None else int(codes.max()) + 1, seed)
    if groups is not None and len(search):
        own = groups[split.train]
        is_searched = np.isin(own, _some_of(own, len(search), seed))
        if is_searched.any() and set(targets[~is_searched]) == set(targets):
            learned, search = (np.flatnonzero(rows).astype(np.int32) for rows in (~is_searched, is_searched))
    return replace(split, train=split.train[learned], search=split.train[search])


def _cut(rows: int, count: int, seed: int, targets: NDArray[Any] | None) -> Indices:
    if targets is None:
        return cut_rows(rows, count, seed, None, _PARTS)[1]
    codes = targets.astype(np.int32)
    several = np.flatnonzero(np.bincount(codes)[codes] > 1).astype(np.int32)
    try:
        return several[cut_rows(len(several), min(count, len(several)), seed, codes[several], _PARTS)[1]]
    except (TooFewRowsError, ValueError):
        # The first of each class is learned.
        rest = np.setdiff1d(np.arange(rows), np.unique(codes, return_index=True)[1]).astype(np.int32)
        return rest[cut_rows(len(rest), min(count, len(rest)), seed, None, _PARTS)[1]]


def _some_of(groups: NDArray[Any], most_rows: int, seed: int) -> NDArray[Any]:
    """Groups, by the seed, that have no more rows together; the smallest where each has more."""
    names, sizes = np.unique(groups, return_counts=True)
    picked, left = list[int](), most_rows
    for place in np.random.RandomState(seed).permutation(len(names)).tolist():
        if sizes[place] <= left:
            picked.append(place)
            left -= int(sizes[place])
    some: NDArray[Any] = names[picked or [int(sizes.argmin())]]
    return some
