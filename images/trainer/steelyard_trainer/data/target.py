"""The target's column: collected in a few bytes a row, then its task and classes. Imports steelyard, numpy, pyarrow."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from steelyard.api.dataset import Dataset
from steelyard.api.errors import DataError
from steelyard.api.metrics import Task
from steelyard.cells.column import doubtful_numbers
from steelyard.cells.dates import parse_date
from steelyard.cells.manifest import column_style, markers, missing_labels, missing_numbers
from steelyard.cells.messages import doubt, shortened
from steelyard.cells.numbers import MOSTLY_NUMBERS, are_codes, finite_number
from steelyard.cells.words import Spelling, look_alikes, spelled, spelling_of
from steelyard.serving.gaps import without_markers
from steelyard_trainer.data.hashing import Hashes, number_bits, value_bits

MOST_CLASSES = 10_000
_MOST_CLASSES_OF_NUMBERS = 20
"""A target of whole numbers that takes more values than these is one of regression, unless spec.task says otherwise."""

_MISSING = -1


@dataclass(frozen=True)
class Target:
    """The target of the rows that are kept."""

    task: Task
    classes: tuple[str, ...] | None
    """Classification: labels in their one spelling; by value if all are numbers, else by code point, as numpy.unique
    sorts."""
    codes: npt.NDArray[np.int32] | None
    """Classification: each row's class."""
    values: npt.NDArray[np.float64] | None
    """Regression: each row's number."""
    spelling: Spelling = "Values"
    """How the labels are spelled."""

    @property
    def look_alikes(self) -> list[dict[str, int]]:
        """Classification: groups of labels that look alike, with their rows."""
        counts = self.class_counts
        if counts is None or self.classes is None:
            return []
        return look_alikes(dict(zip(self.classes, counts.tolist(), strict=True)))

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
        dataset: what the manifest says of the table.
    """

    def __init__(self, name: str, task: Task | None, where: Callable[[int], str], dataset: Dataset) -> None:
        self._name = name
        self._style = column_style(dataset, name)
        self._missing_numbers = missing_numbers(dataset)
        self._missing_labels = missing_labels(dataset)
        self._markers = markers(dataset)
        self._task = task
        self._where = where
        self._code_of: dict[str, int] = {}
        self._bits: list[int] = []
        self._codes: list[npt.NDArray[np.int32]] = []
        self._values: list[npt.NDArray[np.float64]] | None = [] if task == "Regression" else None
        self._rows = 0

    def add(self, cells: pa.Array) -> Hashes:
        """Takes the next rows' cells (string); gives 64 bits for each that are equal for equal targets.

        Raises:
            DataError: a word in a regression's target, or too many classes.
        """
        encoded = cells.dictionary_encode()
        words: list[str] = [word.strip() for word in encoded.dictionary.to_pylist()]
        indices = encoded.indices.fill_null(len(words)).to_numpy()
        if self._values is None and self._is_regression(words):
            numbers = [self._number(label) for label in self._code_of]
            known = np.array([*(math.nan if number is None else number for number in numbers), math.nan])
            self._values = [known[codes] for codes in self._codes]
            self._codes.clear()
        bits = self._add_labels(words, indices) if self._values is None else self._add_numbers(words, indices)
        self._rows += len(cells)
        return bits

    def missing(self) -> npt.NDArray[np.bool_]:
        """Whether each row's target is missing, shape (rows,); to be asked when all rows are taken."""
        if self._values is not None:
            numbers = np.concatenate(self._values)
            return np.isnan(without_markers(numbers, self._markers))
        codes = np.concatenate(self._codes)
        is_missing: npt.NDArray[np.bool_] = (codes == _MISSING) | np.isin(codes, self._missing_among_numbers())
        return is_missing

    def refuse_missing(self, missing: npt.NDArray[np.bool_]) -> None:
        """Raises DataError where targets are missing."""
        if count := int(np.count_nonzero(missing)):
            raise DataError(
                f"the target {self._name!r} is missing in {count:,} of {self._rows:,} rows, first in "
                f"{self._where(int(missing.argmax()))}; fill it in, or leave those rows out with "
                "dataset.missingValues: {target: DropRow}"
            )

    def finish(self, kept: npt.NDArray[np.bool_]) -> Target:
        """The target of the rows that are kept, none of which lacks it.

        Raises:
            DataError: all rows have the same, or it is none that can be learned.
        """
        if self._values is not None:
            values = np.concatenate(self._values)[kept]
            if values.min() == values.max():
                raise self._all_alike(f"{values[0]:g}", len(values))
            return Target("Regression", None, None, values)
        self._refuse_stray_words()
        self._refuse_no_labels()
        return self._classification(kept)

    def _classification(self, kept: npt.NDArray[np.bool_]) -> Target:
        codes = np.concatenate(self._codes)[kept]
        counts = np.bincount(codes, minlength=len(self._code_of))
        labels = [label for label, code in self._code_of.items() if counts[code]]
        spelling = spelling_of(labels)
        classes = sorted({spelled(label, spelling) for label in labels})
        if all(finite_number(label) is not None for label in classes):
            classes.sort(key=float)
        if len(classes) == 1:
            raise self._all_alike(shortened(classes[0]), len(codes))
        place = np.zeros(len(self._code_of), dtype=np.int32)
        index = {label: place for place, label in enumerate(classes)}
        for label in labels:
            place[self._code_of[label]] = index[spelled(label, spelling)]
        return Target("Classification", tuple(classes), place[codes], None, spelling)

    def _is_regression(self, words: list[str]) -> bool:
        """Whether the labels so far and these words can be no classes: all of them numbers, broken ones or many."""
        if self._task is not None:
            return False
        given = {word for word in (*self._code_of, *words) if word not in self._missing_numbers}
        numbers = [number for word in given if (number := self._number(word)) is not None]
        return len(numbers) == len(given) and _are_no_classes(numbers) and not are_codes(given)

    def _number(self, text: str) -> float | None:
        """The text as a finite number, as the target's are written, else None."""
        number = self._style.parse(text)
        return number if number is not None and math.isfinite(number) else None

    def _refuse_stray_words(self) -> None:
        """Raises DataError where labels would be numbers to predict, were it not for a few words."""
        number_of = {label: self._number(label) for label in self._code_of if label not in self._missing_numbers}
        words = [label for label, number in number_of.items() if number is None]
        numbers = [number for number in number_of.values() if number is not None]
        if self._task is not None or not words or not _are_no_classes(numbers):
            return
        codes = np.concatenate(self._codes)
        strays = np.isin(codes, [self._code_of[word] for word in words])
        if np.count_nonzero(strays) <= (1 - MOSTLY_NUMBERS) * len(codes):
            row = int(strays.argmax())
            raise self._no_number(row, next(word for word in words if self._code_of[word] == codes[row]))

    def _refuse_no_labels(self) -> None:
        """Raises DataError for labels that are dates, or numbers that are written in some other way."""
        if self._task is not None:
            return
        given = [label for label in self._code_of if label not in self._missing_numbers]
        dates = [label for label in given if parse_date(label) is not None]
        if len(dates) > _MOST_CLASSES_OF_NUMBERS and len(dates) >= MOSTLY_NUMBERS * len(given):
            raise DataError(
                f"the target {self._name!r} holds dates, such as {shortened(dates[0])}: a date can't be predicted as "
                "it is; write a number into the table, such as the days since another date, and name that as "
                "dataset.target, or, if they are labels, set spec.task: Classification"
            )
        guess = doubtful_numbers(given, self._missing_numbers)
        if guess is not None and not guess.style.is_plain:
            raise DataError(doubt(self._name, guess, "spec.task: Classification"))

    def _add_labels(self, words: list[str], indices: npt.NDArray[np.int32]) -> Hashes:
        codes = []
        for word in words:
            if word in self._missing_labels:
                codes.append(_MISSING)
                continue
            if (code := self._code_of.setdefault(word, len(self._code_of))) == len(self._bits):
                self._bits.append(value_bits(word))
            codes.append(code)
        by_row = np.array([*codes, _MISSING], dtype=np.int32)[indices]
        self._codes.append(by_row)
        if len(self._code_of) > MOST_CLASSES:
            self._refuse_stray_words()
            self._refuse_no_labels()
            raise DataError(
                f"the target {self._name!r} has more than {MOST_CLASSES:,} different labels, such as "
                f"{shortened(words[0])}; if it is a number to predict, set spec.task: Regression"
            )
        return np.array([*self._bits, value_bits(None)], dtype=np.uint64)[by_row]

    def _add_numbers(self, words: list[str], indices: npt.NDArray[np.int32]) -> Hashes:
        numbers = np.full(len(words) + 1, math.nan)
        for index, word in enumerate(words):
            if word in self._missing_numbers:
                continue
            if (number := self._number(word)) is None:
                row = self._rows + int(np.flatnonzero(indices == index)[0])
                raise self._no_number(row, word)
            numbers[index] = number
        values = numbers[indices]
        assert self._values is not None
        self._values.append(values)
        return number_bits(values)

    def _missing_among_numbers(self) -> list[int]:
        """Where all other labels are numbers, "NA" and the like are no labels: their codes."""
        missing = [code for label, code in self._code_of.items() if label in self._missing_numbers]
        others = [label for label in self._code_of if label not in self._missing_numbers]
        return missing if others and all(self._number(label) is not None for label in others) else []

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
