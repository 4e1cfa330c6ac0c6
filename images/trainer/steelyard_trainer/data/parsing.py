"""Text columns that are numbers or dates, and columns of words: their cells batch by batch, and what is doubtful.

Imports steelyard, numpy and pyarrow.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from steelyard.api.errors import DataError
from steelyard.cells.column import doubtful_numbers
from steelyard.cells.dates import guess_date_form, parse_date
from steelyard.cells.messages import doubt, refuse_large, stray_word
from steelyard.cells.numbers import LARGEST_WHOLE, MOSTLY_NUMBERS, NumberStyle, has_leading_zero
from steelyard.cells.words import Spelling
from steelyard_trainer.data.feature_columns import Column
from steelyard_trainer.data.hashing import Hashes, value_bits
from steelyard_trainer.data.source import ReadAgain

_COUNTED_WORDS = 20_000
"""Different words of a column that are counted, to judge it; of more, the first ones."""
_QUICK_WIDTH = 15
"""Digits that a float64 holds whatever they are."""


def by_word(cells: pa.Array) -> tuple[list[str], npt.NDArray[np.int64]]:
    """(the different texts, each row's index among them; that of a null is their number)."""
    encoded = cells.dictionary_encode()
    words: list[str] = encoded.dictionary.to_pylist()
    return words, encoded.indices.fill_null(len(words)).to_numpy()


@dataclass
class Parser:
    """Reads a text column of numbers or dates.

    Args:
        column: the column.
        missing: what stands for an empty cell.
        where: from a row's number to what an error calls it.
    """

    column: Column
    missing: frozenset[str]
    where: Callable[[int], str]
    _rows: int = 0
    _given: int = 0
    _strays: int = 0
    _first_stray: tuple[int, str] | None = None
    _width: int | None = None
    _has_one_width: bool = True
    _has_leading_zero: bool = False

    def take(self, cells: pa.Array) -> npt.NDArray[np.float64]:
        """The next cells as numbers (dates: seconds since 1970), NaN for missing ones.

        Raises:
            DataError: a cell of a column that the manifest says to be one of these is none.
        """
        if (numbers := self._whole_numbers_of_one_width(cells)) is not None:
            return numbers
        words, indices = by_word(cells)
        counts = np.bincount(indices, minlength=len(words) + 1)
        values = np.full(len(words) + 1, math.nan)
        for index, word in enumerate(words):
            text = word.strip()
            if text in self.missing:
                continue
            value = self._value(text)
            self._given += int(counts[index])
            if value is None or math.isnan(value):
                self._stray(text, int(counts[index]), partial(_first_place, indices, index))
                continue
            values[index] = value
        self._rows += len(cells)
        return values[indices]

    def _whole_numbers_of_one_width(self, cells: pa.Array) -> npt.NDArray[np.float64] | None:
        """The same, quickly, for the digits of one width that most such columns have; None where these are not all."""
        if self.column.kind == "Date" or self.column.is_sure or not self.column.style.is_plain or not len(cells):
            return None
        width = self._width or len(cells[0].as_py() or "")
        if not (self._has_one_width and 0 < width <= _QUICK_WIDTH) or cells.null_count:
            return None
        if not pc.all(pc.and_(pc.equal(pc.utf8_length(cells), width), pc.ascii_is_decimal(cells))).as_py():
            return None
        self._width = width
        self._has_leading_zero |= width > 1 and bool(pc.any(pc.starts_with(cells, "0")).as_py())
        self._given += len(cells)
        self._rows += len(cells)
        numbers: npt.NDArray[np.float64] = cells.cast(pa.int64()).to_numpy().astype(np.float64)
        return numbers

    def review(self) -> None:
        """Raises DataError for a stray word, ReadAgain where the column is one of words."""
        name = self.column.name
        if self._has_leading_zero and self._has_one_width and not self.column.is_sure:
            raise ReadAgain(text=frozenset([name]))
        if self._first_stray is None:
            return
        if self._given - self._strays < MOSTLY_NUMBERS * self._given:
            raise ReadAgain(text=frozenset([name]))
        raise self._error()

    def _value(self, text: str) -> float | None:
        if self.column.kind == "Date":
            return parse_date(text, self.column.form)
        if not self.column.is_sure:
            self._note_width(text)
        number = self.column.style.parse(text)
        if number is not None and abs(number) > LARGEST_WHOLE:
            refuse_large(self.column.name, text)
        return number

    def _note_width(self, text: str) -> None:
        if self._has_one_width:
            self._width = self._width or len(text)
            self._has_one_width = len(text) == self._width and text.isascii() and text.isdigit()
            self._has_leading_zero |= has_leading_zero(text)

    def _stray(self, text: str, count: int, first: Callable[[], int]) -> None:
        self._strays += count
        if self._first_stray is None:
            self._first_stray = (self._rows + first(), text)
            if self.column.is_sure:
                raise self._error()

    def _error(self) -> DataError:
        assert self._first_stray is not None
        row, text = self._first_stray
        what = "date" if self.column.kind == "Date" else "number"
        wanted = f" of the form {self.column.form}" if self.column.kind == "Date" else _style_words(self.column.style)
        others = (
            ""
            if self.column.is_sure
            else f", but {self._given - self._strays:,} of the column's {self._given:,} cells are"
        )
        return stray_word(f"{self.where(row)}, column {self.column.name!r}", text, f"a {what}{wanted}", others)


def _first_place(indices: npt.NDArray[np.integer[Any]], index: int) -> int:
    return int(np.flatnonzero(indices == index)[0])


def _style_words(style: NumberStyle) -> str:
    said = ", ".join(f"{name} {mark!r}" for name, mark in style.to_json().items())
    return f" as it is to be written ({said})" if said else ""


@dataclass
class WordReader:
    """Reads a column of words, and judges in the end whether it is one."""

    column: Column
    missing: frozenset[str]
    missing_numbers: frozenset[str]
    style: NumberStyle
    """How the numbers of the table are written where nothing is said by name."""
    spelling: Spelling = "Values"
    _counts: Counter[str] = field(default_factory=Counter)
    _given: int = 0
    _numbers: int = 0

    def take(self, cells: pa.Array) -> tuple[pa.Array, Hashes]:
        """The next cells without blanks around, null for missing ones; and 64 bits for each."""
        words, indices = by_word(cells)
        counts = np.bincount(indices, minlength=len(words) + 1).tolist()
        texts: list[str | None] = []
        for word, count in zip(words, counts, strict=False):
            text = word.strip()
            if text in self.missing:
                texts.append(None)
                continue
            texts.append(text)
            self._count(text, count)
        bits = np.array([value_bits(text) for text in [*texts, None]], dtype=np.uint64)
        taken = pa.array([*texts, None], pa.string()).take(pa.array(indices))
        return taken, bits[indices]

    def _count(self, text: str, count: int) -> None:
        if text not in self.missing_numbers:
            self._given += count
            if self.style.parse(text) is not None:
                self._numbers += count
        if text in self._counts or len(self._counts) < _COUNTED_WORDS:
            self._counts[text] += count
        if self.spelling == "Values" and has_leading_zero(text):
            self.spelling = "Words"

    def review(self, source: str) -> None:
        """Says what is doubtful of a column that the manifest does not name.

        Raises:
            ReadAgain: it is one of numbers with stray words.
            DataError: it may be one of numbers.
        """
        if self.column.is_sure or not self._given:
            return
        guess = doubtful_numbers(self._counts, self.missing_numbers)
        if guess is None:
            return
        if self._numbers >= MOSTLY_NUMBERS * self._given:
            raise ReadAgain(parsed=frozenset([self.column.name]))
        raise DataError(f"{source}: {doubt(self.column.name, guess)}")

    @property
    def date_form(self) -> str | None:
        """The form in which all words are dates, where the manifest does not name the column."""
        return None if self.column.is_sure else guess_date_form(list(self._counts)[:200], self.missing_numbers)
