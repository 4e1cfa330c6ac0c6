"""Which row goes to which part: scikit-learn's train_test_split, set and order, in 4 bytes a row. Imports numpy only.

The algorithms are those of scikit-learn's ShuffleSplit, StratifiedShuffleSplit and `_approximate_mode`
(sklearn/model_selection/_split.py and sklearn/utils/extmath.py, BSD-3-Clause, version 1.9); what differs is that
indices are int32 throughout and classes are small integers from the start.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from steelyard.texts.figures import counted

Indices = npt.NDArray[np.int32]

SplitName = Literal["train", "validation", "test", "search"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
"""What every dataset has; the search rows are in some."""


@dataclass(frozen=True)
class Split:
    """The rows of each part, in the part's order."""

    train: Indices
    validation: Indices
    test: Indices
    search: Indices = field(default_factory=lambda: np.empty(0, np.int32))
    """Those of the training set that steer a search of candidates; none where none were asked for."""

    @property
    def parts(self) -> dict[SplitName, Indices]:
        """The parts by name, in the order of SPLITS, and the search rows where there are any."""
        parts: dict[SplitName, Indices] = {"train": self.train, "validation": self.validation, "test": self.test}
        return parts | ({"search": self.search} if len(self.search) else {})


class TooFewRowsError(Exception):
    """A split that can't be made."""


class ClassTooSmallError(TooFewRowsError):
    """A class has fewer rows than a stratified split needs."""

    def __init__(self, code: int, rows: int, part: str) -> None:
        super().__init__(f"class {code} has {rows} rows when the {part} set is cut")
        self.code = code
        self.rows = rows
        self.part = part


class PartTooSmallError(TooFewRowsError):
    """A part has fewer rows than there are classes, so a stratified split can't put every class into it."""

    def __init__(self, part: str, rows: int, classes: int) -> None:
        super().__init__(f"the {part} set has {rows} rows for {classes} classes")
        self.part = part
        self.rows = rows
        self.classes = classes


def split_rows(rows: int, *, test: float, validation: float, seed: int, codes: Indices | None = None) -> Split:
    """Deals rows out to three parts.

    Equal, set and order, to `rest, test = train_test_split(arange(rows), test_size=test, random_state=seed,
    stratify=y)` and then `train_test_split(rest, test_size=ceil(validation * rows), random_state=seed,
    stratify=y[rest])`.

    Args:
        rows: how many there are.
        test: fraction of all rows, rounded up to whole ones.
        validation: fraction of all rows, rounded up to whole ones.
        seed: of both shuffles.
        codes: shape (rows,): every row's class from 0, in the order of numpy.unique; None: not stratified.

    Raises:
        TooFewRowsError: no row is left to train on; or one of its kinds, where there are `codes`.
    """
    test_rows = math.ceil(test * rows)
    validation_rows = math.ceil(validation * rows)
    if test_rows + validation_rows >= rows:
        raise TooFewRowsError(
            f"{counted(rows, 'row')} {'is' if rows == 1 else 'are'} too few: {test_rows} go to the test set and "
            f"{validation_rows} to validation"
        )
    rest, test_part = cut_rows(rows, test_rows, seed, codes, ("training and validation", "test"))
    train, validation_part = cut_rows(
        len(rest), validation_rows, seed, None if codes is None else codes[rest], ("training", "validation")
    )
    return Split(rest[train], rest[validation_part], test_part)


def cut_rows(
    rows: int, count: int, seed: int, codes: Indices | None, parts: tuple[str, str]
) -> tuple[Indices, Indices]:
    """(the rest, the `count` rows that are cut off), each as indices; `parts` are their names in errors."""
    random = np.random.RandomState(seed)
    if codes is None:
        order = np.arange(rows, dtype=np.int32)
        random.shuffle(order)
        return order[count:], order[:count]
    counts = np.bincount(codes)
    present = np.flatnonzero(counts)
    _check_stratified(counts, present, rows, count, parts)
    class_counts = counts[present]
    rest_counts = _approximate_mode(class_counts, rows - count, random)
    cut_counts = _approximate_mode(class_counts - rest_counts, count, random)
    by_class = _group(codes, counts)
    rest = np.empty(rows - count, dtype=np.int32)
    cut = np.empty(count, dtype=np.int32)
    begin = rest_begin = cut_begin = 0
    for count, into_rest, into_cut in zip(class_counts, rest_counts, cut_counts, strict=True):
        order = np.arange(count, dtype=np.int32)
        random.shuffle(order)
        members = by_class[begin : begin + count][order]
        rest[rest_begin : rest_begin + into_rest] = members[:into_rest]
        cut[cut_begin : cut_begin + into_cut] = members[into_rest : into_rest + into_cut]
        begin, rest_begin, cut_begin = begin + count, rest_begin + into_rest, cut_begin + into_cut
    random.shuffle(rest)
    random.shuffle(cut)
    return rest, cut


def _check_stratified(
    counts: npt.NDArray[np.int64], present: npt.NDArray[np.int64], rows: int, cut_rows: int, parts: tuple[str, str]
) -> None:
    smallest = int(present[counts[present].argmin()])
    if counts[smallest] < 2:
        raise ClassTooSmallError(smallest, int(counts[smallest]), parts[1])
    for part, part_rows in zip(parts, (rows - cut_rows, cut_rows), strict=True):
        if part_rows < len(present):
            raise PartTooSmallError(part, part_rows, len(present))


def _approximate_mode(
    class_counts: npt.NDArray[np.int64], draws: int, random: np.random.RandomState
) -> npt.NDArray[np.int64]:
    """The most likely numbers of each class among `draws` rows; ties are broken at random, as scikit-learn does it."""
    continuous = class_counts / class_counts.sum() * draws
    drawn = np.floor(continuous)
    missing = int(draws - drawn.sum())
    remainder = continuous - drawn
    for value in np.unique(remainder)[::-1]:
        if missing == 0:
            break
        (candidates,) = np.where(remainder == value)
        now = min(len(candidates), missing)
        drawn[random.choice(candidates, size=now, replace=False)] += 1
        missing -= now
    result: npt.NDArray[np.int64] = drawn.astype(np.int64)
    return result


def _group(codes: Indices, counts: npt.NDArray[np.int64], chunk: int = 1 << 20) -> Indices:
    """The rows of class 0 in order, then those of class 1 ...: a stable counting sort, in chunks."""
    grouped = np.empty(len(codes), dtype=np.int32)
    begin = np.concatenate([[0], np.cumsum(counts)[:-1]])
    for start in range(0, len(codes), chunk):
        part = codes[start : start + chunk]
        order = np.argsort(part, kind="stable")
        part_counts = np.bincount(part, minlength=len(counts))
        part_begin = np.concatenate([[0], np.cumsum(part_counts)[:-1]])
        sorted_codes = part[order]
        grouped[begin[sorted_codes] + np.arange(len(part)) - part_begin[sorted_codes]] = order + start
        begin += part_counts
    return grouped
