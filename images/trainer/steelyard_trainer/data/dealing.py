"""The split as the manifest describes it: by chance, by a column, or with a test file of its own. Imports
steelyard.api and numpy.

How GroupShuffleSplit deals groups out is from scikit-learn (sklearn/model_selection/_split.py, BSD-3-Clause, 1.9).
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from steelyard.api import dataset as api
from steelyard.api.errors import DataError
from steelyard.texts.figures import counted
from steelyard_trainer.data.search_rows import with_search_rows
from steelyard_trainer.data.split_column import Keys
from steelyard_trainer.data.splitting import Indices, Split, TooFewRowsError, cut_rows, split_rows
from steelyard_trainer.data.target import Target
from steelyard_trainer.data.words import listed


def deal(
    rows: int,
    split: api.Split,
    target: Target,
    keys: Keys | None,
    test_from: int | None,
    *,
    sets_rows_aside: bool = False,
) -> Split:
    """Deals rows out to the parts.

    Args:
        rows: how many there are, those of a test file included.
        split: `dataset.split`.
        target: of the rows.
        keys: shape (rows without those of a test file,): what `SplitColumn.finish` gives; None without such a column.
        test_from: the first row of the test file; None: there is none.
        sets_rows_aside: whether a part of the training set becomes search rows.

    Raises:
        TooFewRowsError: there are too few rows, groups or moments.
        DataError: `split.column` leaves a set empty, or a class has no row in the training set.
    """
    dealt = _dealt(rows, split, target, keys, test_from)
    if not sets_rows_aside:
        return dealt
    return with_search_rows(dealt, target.codes, keys if split.group is not None else None, split.shuffle_seed)


def _dealt(rows: int, split: api.Split, target: Target, keys: Keys | None, test_from: int | None) -> Split:
    stratify = split.by is None and split.stratify is not False and target.task == "Classification"
    codes = target.codes if stratify else None
    if split.by is None and test_from is None:
        return split_rows(
            rows, test=split.test_fraction, validation=split.validation_fraction, seed=split.shuffle_seed, codes=codes
        )
    own_rows = rows if test_from is None else test_from
    if test_from is not None and not own_rows:
        raise TooFewRowsError("all rows are those of the test file")
    if test_from == rows:
        raise DataError(
            "no row of the test file (dataset.testUri) is left: all were left out, as cells are missing "
            "(dataset.missingValues); fill them in, or leave testUri out"
        )
    if split.by is None:
        dealt = _by_chance(own_rows, split, codes)
    else:
        assert keys is not None
        by, column = split.by
        if by == "column":
            dealt = _by_column(keys, column, has_test_file=test_from is not None)
        else:
            test = split.test_fraction if test_from is None else None
            cut = _by_group if by == "group" else _by_time
            dealt = cut(keys, test, split)
    if test_from is not None:
        dealt = Split(dealt.train, dealt.validation, np.arange(test_from, rows, dtype=np.int32))
    _check_classes(target, dealt)
    return dealt


def described(dataset: api.Dataset) -> dict[str, Any]:
    """How the rows were dealt out, for whoever reads of the model: fields as the manifest spells them."""
    split = dataset.split
    fields: dict[str, Any] = dict([split.by]) if split.by else {}
    own: dict[str, float] = {
        "test": split.test_fraction,
        "validation": split.validation_fraction,
        "seed": split.shuffle_seed,
    }
    unused = api.UNUSED_WITH[split.by[0]] if split.by else ()
    fields |= {name: value for name, value in own.items() if name not in unused}
    if dataset.test_uri is not None:
        fields.pop("test", None)
        fields["testUri"] = dataset.test_uri
    return fields


def in_words(dealt: dict[str, Any]) -> str:
    """ ", split by group 'customer'", or nothing where chance alone deals the rows out."""
    words = "".join(f", split by {by} {dealt[by]!r}" for by in api.SPLIT_BY if by in dealt)
    return words + (f", tested on {dealt['testUri']}" if "testUri" in dealt else "")


def _by_chance(rows: int, split: api.Split, codes: Indices | None) -> Split:
    """The validation set alone is cut off."""
    count = math.ceil(split.validation_fraction * rows)
    if count >= rows:
        raise TooFewRowsError(
            f"{counted(rows, 'row')} {'is' if rows == 1 else 'are'} too few: {count} go to validation"
        )
    own = None if codes is None else codes[:rows]
    train, validation = cut_rows(rows, count, split.shuffle_seed, own, ("training", "validation"))
    return Split(train, validation, np.empty(0, dtype=np.int32))


def _by_group(keys: Keys, test: float | None, split: api.Split) -> Split:
    """The set of rows that `GroupShuffleSplit(1, test_size=test, random_state=seed)` gives, and then, of the rest,
    `GroupShuffleSplit(1, test_size=ceil(validation * groups), ...)`; in the source's order.

    `keys` stand for the groups: they are what scikit-learn would sort.
    """
    groups, group_of_row = np.unique(keys, return_inverse=True)
    group_of_row = group_of_row.astype(np.int32)
    count = len(groups)
    test_count = 0 if test is None else math.ceil(test * count)
    validation_count = math.ceil(split.validation_fraction * count)
    if test_count + validation_count >= count:
        raise TooFewRowsError(
            f"{count} groups are too few: {test_count} go to the test set and {validation_count} to validation"
        )
    order = np.random.RandomState(split.shuffle_seed).permutation(count)
    rest = np.sort(order[test_count:])
    order_of_rest = np.random.RandomState(split.shuffle_seed).permutation(len(rest))
    part_of_group = np.zeros(count, dtype=np.int8)
    part_of_group[order[:test_count]] = 2
    part_of_group[rest[order_of_rest[:validation_count]]] = 1
    return _parts(part_of_group[group_of_row])


def _by_time(keys: Keys, test: float | None, split: api.Split) -> Split:
    """The latest rows for test, the latest of the rest for validation, each in the order of time; rows of the same
    time stay together, in the later set."""
    rows = len(keys)
    order = np.argsort(keys, kind="stable").astype(np.int32)
    sorted_keys = keys[order]
    test_begin = rows if test is None else _begin_of(sorted_keys, rows - math.ceil(test * rows))
    validation_rows = math.ceil(split.validation_fraction * rows)
    begin = _begin_of(sorted_keys, test_begin - validation_rows)
    if begin <= 0:
        moments = len(np.unique(keys))
        raise TooFewRowsError(
            f"{rows:,} rows of {moments:,} different times are too few: {rows - test_begin:,} go to the test set and "
            f"{test_begin:,} to validation, as rows of the same time stay together"
        )
    return Split(order[:begin], order[begin:test_begin], order[test_begin:])


def _begin_of(sorted_keys: Keys, row: int) -> int:
    """The first row that has the same time as this one."""
    return int(np.searchsorted(sorted_keys, sorted_keys[row])) if row > 0 else 0


def _by_column(keys: Keys, column: str, *, has_test_file: bool) -> Split:
    split = _parts(keys.astype(np.int8))
    sizes = {name: len(part) for name, part in split.parts.items()}
    if has_test_file and sizes["test"]:
        raise DataError(
            f"the column {column!r} (split.column) says test in {sizes['test']:,} rows, but the test set is the file "
            "of dataset.testUri; allowed beside it: train, validation"
        )
    empty = [name for name, count in sizes.items() if not count and not (has_test_file and name == "test")]
    if empty:
        raise DataError(
            f"the column {column!r} (split.column) says {' and '.join(empty)} in no row; each of train, validation and "
            "test is needed"
        )
    return split


def _parts(part_of_row: npt.NDArray[np.int8]) -> Split:
    train, validation, test = (np.flatnonzero(part_of_row == part).astype(np.int32) for part in range(3))
    return Split(train, validation, test)


def _check_classes(target: Target, split: Split) -> None:
    """Raises DataError for a class that can't be learned. Chance, which deals classes out evenly, leaves none."""
    if target.codes is None or target.classes is None:
        return
    classes = len(target.classes)
    learned = np.bincount(target.codes[split.train], minlength=classes)
    unlearned = [label for label, count in zip(target.classes, learned, strict=True) if not count]
    if unlearned:
        counts = {
            name: int(np.isin(target.codes[part], np.flatnonzero(learned == 0)).sum())
            for name, part in split.parts.items()
            if name != "train"
        }
        where = " and ".join(f"{count:,} of the {name} set" for name, count in counts.items() if count)
        raise DataError(
            f"no row of the training set has the label {listed(unlearned, 10)}, so it can't be learned, but rows have "
            f"it: {where}; take them out, or deal the rows out in another way (dataset.split)"
        )
