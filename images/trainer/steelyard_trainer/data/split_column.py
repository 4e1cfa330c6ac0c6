"""The column that deals the rows out (`split.group`, `split.time`, `split.column`): its cells in 8 bytes a row at most.

Imports steelyard, numpy and pyarrow.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from steelyard.api.dataset import PART_WORDS, SplitBy
from steelyard.api.errors import DataError
from steelyard.cells.dates import ISO8601, parse_date
from steelyard.cells.messages import shortened
from steelyard.cells.missing import MISSING_NUMBERS
from steelyard.cells.numbers import LARGEST_WHOLE, finite_number
from steelyard_trainer.data.hashing import number_bits, word_bits

Keys = npt.NDArray[np.number[Any]]
"""uint64 of groups, else float64."""


class SplitColumn:
    """Takes the column batch by batch.

    Args:
        by: what it says of a row.
        name: the column.
        where: from a row's number to what an error calls it.
        form: how dates are written, as `dataset.dates` says it.
    """

    def __init__(self, by: SplitBy, name: str, where: Callable[[int], str], form: str = ISO8601) -> None:
        self.by = by
        self.name = name
        self._where = where
        self._form = form
        self._keys: list[Keys] = []
        self._missing: list[npt.NDArray[np.bool_]] = []
        self._rows = 0
        self._is_dates: bool | None = None

    def add(self, cells: pa.Array) -> npt.NDArray[np.bool_]:
        """Takes the next rows' cells (string); gives which of them are missing.

        Raises:
            DataError: a cell can't be understood.
        """
        encoded = cells.dictionary_encode()
        words: list[str] = [word.strip() for word in encoded.dictionary.to_pylist()]
        indices = encoded.indices.fill_null(len(words)).to_numpy()
        is_missing = np.array([self._is_missing(word) for word in words] + [True])
        keys: Keys = np.zeros(len(words) + 1, dtype=np.uint64 if self.by == "group" else np.float64)
        for index, word in enumerate(words):
            if is_missing[index]:
                continue
            try:
                keys[index] = self._key(word)
            except ValueError as error:
                row = self._rows + int(np.flatnonzero(indices == index)[0])
                raise DataError(
                    f"{self._where(row)}: the column {self.name!r} (split.{self.by}) is {shortened(word)}; {error}"
                ) from None
        self._keys.append(keys[indices])
        self._missing.append(is_missing[indices])
        self._rows += len(cells)
        return self._missing[-1]

    def finish(self, kept: npt.NDArray[np.bool_] | None) -> Keys:
        """The keys of the rows that are kept (None: all): equal ones are one group, or moment; those of
        `split.column` are places in PART_WORDS.

        Raises:
            DataError: the cell of a kept row is missing.
        """
        missing, keys = np.concatenate(self._missing), np.concatenate(self._keys)
        counted = missing if kept is None else missing & kept
        if count := int(np.count_nonzero(counted)):
            raise DataError(
                f"the column {self.name!r} (split.{self.by}) is empty in {count:,} of {self._rows:,} rows, first in "
                f"{self._where(int(counted.argmax()))}; fill it in, take those rows out, or leave them out with "
                "dataset.missingValues.strategy: DropRow"
            )
        return keys if kept is None else keys[kept]

    def _is_missing(self, word: str) -> bool:
        return not word or (self.by == "time" and word in MISSING_NUMBERS)

    def _key(self, word: str) -> float | int:
        """Raises ValueError, which says what is allowed."""
        match self.by:
            case "group":
                return _group_key(word)
            case "time":
                return self._time_key(word)
            case "column":
                if word not in PART_WORDS:
                    raise ValueError(f"allowed: {', '.join(PART_WORDS)}")
                return PART_WORDS.index(word)

    def _time_key(self, word: str) -> float:
        number = finite_number(word) if self._form == ISO8601 else None
        if self._is_dates is None:
            self._is_dates = number is None
        if not self._is_dates:
            if number is None:
                raise ValueError("the rows before it have numbers; allowed: numbers throughout, or dates")
            return number
        if (seconds := parse_date(word, self._form)) is None:
            usual = "numbers, or dates and times such as 2024-05-31 or 2024-05-31T12:30; of others say the form (dates)"
            raise ValueError(f"allowed: {usual if self._form == ISO8601 else f'dates of the form {self._form}'}")
        return seconds


def _group_key(word: str) -> int:
    """64 bits that stand for a group: whole numbers in their order, and 1 and 1.0 are one group."""
    number = finite_number(word)
    if number is not None and number.is_integer() and math.fabs(number) < LARGEST_WHOLE:
        return int(number_bits(np.array([number]))[0])
    return word_bits(word)
