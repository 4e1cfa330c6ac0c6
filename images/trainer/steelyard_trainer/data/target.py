"""The target's column: collected in a few bytes a row, then its task and classes. Imports steelyard, numpy, pyarrow."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from steelyard.api.errors import DataError
from steelyard.api.metrics import Task
from steelyard.cells.numbers import MOSTLY_NUMBERS, finite_number
from steelyard_trainer.data.hashing import Hashes, number_bits, word_bits
from steelyard_trainer.data.words import MISSING_NUMBER_CELLS, shortened

MOST_CLASSES = 10_000
_MOST_CLASSES_OF_NUMBERS = 20
"""A target of whole numbers that takes more values than these is one of regression, unless spec.task says otherwise."""

# Missing even among labels that are words, where "NA" and "None" are labels.
_NEVER_LABELS = frozenset({"", "NaN", "nan", "NAN", "-NaN", "-nan"})
_MISSING = -1


@dataclass(frozen=True)
class Target:
    """The target of the rows that are kept."""

    task: Task
    classes: tuple[str, ...] | None
    """Classification: labels as written; by value if all are numbers, else by code point, as numpy.unique sorts."""
    codes: npt.NDArray[np.int32] | None
    """Classification: each row's class."""
    values: npt.NDArray[np.float64] | None
    """Regression: each row's number."""

    @property
    def class_counts(self) -> npt.NDArray[np.int64] | None:
        """Classification: rows of each class."""
        return (
            None if self.codes is None or self.classes is None else np.bincount(self.codes, minlength=len(self.classes))
        )

    def cells(self, rows: npt.NDArray[np.int64]) -> pa.Array:
        """The target of some rows, as a shard has it: labels as written, or float64."""
        if self.values is not None:
            return pa.array(self.values[rows])
        assert self.codes is not None and self.classes is not None
        return pa.DictionaryArray.from_arrays(self.codes[rows], pa.array(self.classes, pa.string())).cast(pa.string())


class TargetReader:
    """Takes the target batch by batch: as codes of labels, or, once it can only be regression, as numbers.

    Args:
        name: the column.
        task: what spec.task says; None: to be found out.
        where: from a row's number to what an error calls it.
    """

    def __init__(self, name: str, task: Task | None, where: Callable[[int], str]) -> None:
        self._name = name
        self._task = task
        self._where = where
        self._code_of: dict[str, int] = {}
        self._bits: list[int] = []
        self._codes: list[npt.NDArray[np.int32]] = []
        self._values: list[npt.NDArray[np.float64]] | None = [] if task == "Regression" else None
        self._rows = 0
        self._missing = 0
        self._first_missing = 0

    def add(self, cells: pa.Array) -> Hashes:
        """Takes the next rows' cells (string); gives 64 bits for each that are equal for equal targets.

        Raises:
            DataError: a word in a regression's target, or too many classes.
        """
        encoded = cells.dictionary_encode()
        words: list[str] = encoded.dictionary.to_pylist()
        indices = encoded.indices.fill_null(len(words)).to_numpy()
        if self._values is None and self._is_regression(words):
            self._find_missing_among_numbers()
            numbers = [math.nan if label in MISSING_NUMBER_CELLS else float(label) for label in self._code_of]
            self._values = [np.array([*numbers, math.nan])[codes] for codes in self._codes]
            self._codes.clear()
        bits = self._add_labels(words, indices) if self._values is None else self._add_numbers(words, indices)
        self._rows += len(cells)
        return bits

    def finish(self, kept: npt.NDArray[np.bool_] | None) -> Target:
        """The target of the rows that are kept (None: all).

        Raises:
            DataError: a row's target is missing, or all rows have the same.
        """
        if self._values is None:
            self._find_missing_among_numbers()
        if self._missing:
            raise DataError(
                f"the target {self._name!r} is missing in {self._missing:,} of {self._rows:,} rows, first in "
                f"{self._where(self._first_missing)}; fill it in, or take those rows out"
            )
        if self._values is not None:
            values = np.concatenate(self._values)
            values = values if kept is None else values[kept]
            if values.min() == values.max():
                raise self._all_alike(f"{values[0]:g}", len(values))
            return Target("Regression", None, None, values)
        self._refuse_stray_words()
        return self._classification(kept)

    def _classification(self, kept: npt.NDArray[np.bool_] | None) -> Target:
        codes = np.concatenate(self._codes)
        codes = codes if kept is None else codes[kept]
        counts = np.bincount(codes, minlength=len(self._code_of))
        labels = [label for label, code in self._code_of.items() if counts[code]]
        classes = sorted(labels)
        if all(finite_number(label) is not None for label in classes):
            classes.sort(key=float)
        if len(classes) == 1:
            raise self._all_alike(shortened(classes[0]), len(codes))
        place = np.zeros(len(self._code_of), dtype=np.int32)
        for index, label in enumerate(classes):
            place[self._code_of[label]] = index
        return Target("Classification", tuple(classes), place[codes], None)

    def _is_regression(self, words: list[str]) -> bool:
        """Whether the labels so far and these words can be no classes: all of them numbers, broken ones or many."""
        if self._task is not None:
            return False
        given = {word for word in (*self._code_of, *words) if word not in MISSING_NUMBER_CELLS}
        numbers = [number for word in given if (number := finite_number(word)) is not None]
        return len(numbers) == len(given) and _are_no_classes(numbers)

    def _refuse_stray_words(self) -> None:
        """Raises DataError where labels would be numbers to predict, were it not for a few words."""
        number_of = {label: finite_number(label) for label in self._code_of if label not in MISSING_NUMBER_CELLS}
        words = [label for label, number in number_of.items() if number is None]
        numbers = [number for number in number_of.values() if number is not None]
        if self._task is not None or not words or not _are_no_classes(numbers):
            return
        codes = np.concatenate(self._codes)
        strays = np.isin(codes, [self._code_of[word] for word in words])
        if np.count_nonzero(strays) <= (1 - MOSTLY_NUMBERS) * len(codes):
            row = int(strays.argmax())
            raise self._no_number(row, next(word for word in words if self._code_of[word] == codes[row]))

    def _add_labels(self, words: list[str], indices: npt.NDArray[np.int32]) -> Hashes:
        codes = []
        for word in words:
            if word in _NEVER_LABELS:
                codes.append(_MISSING)
                continue
            if (code := self._code_of.setdefault(word, len(self._code_of))) == len(self._bits):
                number = finite_number(word)
                self._bits.append(word_bits(word) if number is None else int(number_bits(np.array([number]))[0]))
            codes.append(code)
        by_row = np.array([*codes, _MISSING], dtype=np.int32)[indices]
        self._codes.append(by_row)
        if len(self._code_of) > MOST_CLASSES:
            self._refuse_stray_words()
            raise DataError(
                f"the target {self._name!r} has more than {MOST_CLASSES:,} different labels, such as "
                f"{shortened(words[0])}; if it is a number to predict, set spec.task: Regression"
            )
        self._note_missing(by_row == _MISSING)
        return np.array([*self._bits, word_bits(None)], dtype=np.uint64)[by_row]

    def _add_numbers(self, words: list[str], indices: npt.NDArray[np.int32]) -> Hashes:
        numbers = np.full(len(words) + 1, math.nan)
        for index, word in enumerate(words):
            if word in MISSING_NUMBER_CELLS:
                continue
            if (number := finite_number(word)) is None:
                row = self._rows + int(np.flatnonzero(indices == index)[0])
                raise self._no_number(row, word)
            numbers[index] = number
        values = numbers[indices]
        self._note_missing(np.isnan(values))
        assert self._values is not None
        self._values.append(values)
        return number_bits(values)

    def _find_missing_among_numbers(self) -> None:
        """Where all other labels are numbers, "NA" and the like are no labels."""
        missing = [label for label in self._code_of if label in MISSING_NUMBER_CELLS]
        others = [label for label in self._code_of if label not in MISSING_NUMBER_CELLS]
        if missing and others and all(finite_number(label) is not None for label in others):
            rows, self._rows = self._rows, 0
            for codes in self._codes:
                self._note_missing(np.isin(codes, [self._code_of[label] for label in missing]))
                self._rows += len(codes)
            self._rows = rows

    def _note_missing(self, missing: npt.NDArray[np.bool_]) -> None:
        """Counts missing targets of the rows that come next."""
        if count := int(np.count_nonzero(missing)):
            first = self._rows + int(missing.argmax())
            self._first_missing = min(first, self._first_missing) if self._missing else first
            self._missing += count

    def _no_number(self, row: int, word: str) -> DataError:
        hint = "" if self._task else " (if the target is a label, set spec.task: Classification)"
        return DataError(
            f"{self._where(row)}: the target {self._name!r} is {shortened(word)}, but regression needs a finite "
            f"number; mend the cell{hint}"
        )

    def _all_alike(self, value: str, rows: int) -> DataError:
        return DataError(f"the target {self._name!r} is {value} in all {rows:,} rows: there is nothing to tell apart")


def _are_no_classes(numbers: list[float]) -> bool:
    return len(set(numbers)) > _MOST_CLASSES_OF_NUMBERS or any(not number.is_integer() for number in numbers)
