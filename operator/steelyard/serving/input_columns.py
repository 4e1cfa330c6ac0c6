"""The columns of a model's input: how a cell of each is read, filled and encoded. Imports numpy, cells and the api.

A column learns nothing; the trainer makes it with the figures of the training set.
"""

import math
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from steelyard.api.errors import DataError
from steelyard.cells.dates import DatePart, date_of, date_parts
from steelyard.cells.missing import MISSING_NUMBERS, MISSING_WORDS, is_missing
from steelyard.cells.numbers import PLAIN, NumberStyle
from steelyard.cells.words import Spelling, word_of
from steelyard.serving.gaps import Cells, Float64, count_gaps, filled, missing_cell, row_numbers, without_markers
from steelyard.serving.tally import Tally

MISSING, UNKNOWN = -1, -2
"""What `CategoryColumn.codes` says of a cell that has no word of the column."""

OTHER = "other"
"""The word that stands for all words beyond `dataset.categories.max`."""


@dataclass(frozen=True)
class NumberColumn:
    """A number becomes (number - mean) / scale: one input; for models that take raw numbers, the number."""

    name: str
    fill: float | None
    """What a missing cell counts as; None, in models of older versions: a missing cell is an error."""
    mean: float
    scale: float
    """The standard deviation; 1 for a column that does not vary."""
    style: NumberStyle = PLAIN
    """How its texts are written."""
    is_truth: bool = False
    """Whether training saw truth values, so that the words true and false are 1 and 0."""
    markers: tuple[str, ...] = ()
    """What stands for a missing cell beside MISSING_NUMBERS; a number among them by its value."""
    keeps_gaps: bool = False
    """Whether a missing cell stays one, NaN, for a model that knows what to do with it."""

    @property
    def feature_names(self) -> list[str]:
        """The names of the model's inputs that this column becomes."""
        return [self.name]

    def numbers(self, cells: Cells, first_row: int = 1) -> Float64:
        """float64, shape (rows,), NaN for missing cells. Raises DataError for a cell that is no number."""
        if isinstance(cells, np.ndarray) and cells.dtype.kind in "fiub":
            numbers: Float64 = cells.astype(np.float64)
        elif isinstance(cells, np.ndarray) and cells.dtype.kind == "m":
            numbers = cells.astype("timedelta64[us]").astype(np.float64) / 1e6
            numbers[np.isnat(cells)] = np.nan
        else:
            missing = MISSING_NUMBERS.union(self.markers)
            numbers = np.empty(len(cells), dtype=np.float64)
            for row, cell in enumerate(cells):
                number = self._number(cell, missing)
                if number is None:
                    raise DataError(f"row {first_row + row}, column {self.name!r}: {cell!r} is not a number")
                numbers[row] = number
        return without_markers(numbers, self.markers)

    def _number(self, cell: object, missing: frozenset[str]) -> float | None:
        """The cell's number, NaN where it is missing, None where it is none."""
        if isinstance(cell, str):
            if (number := self.style.parse(cell)) is not None:
                return number
            text = cell.strip()
            if text in missing:
                return math.nan
            return float(text.casefold() == "true") if self.is_truth and text.casefold() in ("true", "false") else None
        if is_missing(cell):
            return math.nan
        if isinstance(cell, timedelta):
            return cell.total_seconds()
        try:
            return float(cell)  # type: ignore[arg-type]
        except OverflowError:
            return math.inf
        except (TypeError, ValueError):
            return None

    def transform(
        self, cells: Cells, first_row: int = 1, *, scaled: bool = True, tally: Tally | None = None
    ) -> Float64:
        """float64, shape (rows, 1). Raises DataError where a cell is missing (and `fill` is None) or is no number."""
        numbers = self.numbers(cells, first_row)
        if self.keeps_gaps:
            count_gaps(self.name, np.isnan(numbers), first_row, tally)
        else:
            numbers = filled(self.name, numbers, self.fill, first_row, tally)
        if np.isinf(numbers).any():
            row = int(np.flatnonzero(np.isinf(numbers))[0])
            raise DataError(f"row {first_row + row}, column {self.name!r}: {numbers[row]} is not a finite number")
        # The difference of float64 first: large values with a small spread would lose it in float32.
        return ((numbers - self.mean) / self.scale if scaled else numbers)[:, np.newaxis]

    def unscaled(self) -> "NumberColumn":
        """The same for a model that takes numbers as they are."""
        return replace(self, mean=0.0, scale=1.0)

    def to_json(self) -> dict[str, Any]:
        """JSON values; markers are the whole table's and stay out."""
        return {
            "name": self.name,
            "kind": "Number",
            "fill": self.fill,
            "mean": self.mean,
            "scale": self.scale,
            **({} if self.style.is_plain else {"style": self.style.to_json()}),
            **({"truth": True} if self.is_truth else {}),
            **({"gaps": True} if self.keeps_gaps else {}),
        }


@dataclass(frozen=True)
class CategoryColumn:
    """A word becomes one input for each word that training saw: 1 for its own, 0 elsewhere; all 0 for a new word, or,
    where the column has the word `other`, that."""

    name: str
    fill: str | None
    """What a missing cell counts as; None, in models of older versions: a missing cell is an error."""
    words: tuple[str, ...]
    spelling: Spelling = "Values"
    """How the training column's words are spelled."""
    has_other: bool = False
    """Whether OTHER, one of the words, stands for all words that are not among them."""
    markers: tuple[str, ...] = ()
    """What stands for a missing cell, beside blanks alone."""

    @property
    def feature_names(self) -> list[str]:
        """The names of the model's inputs that this column becomes."""
        return [f"{self.name}={word}" for word in self.words]

    def codes(self, cells: Cells) -> npt.NDArray[np.int64]:
        """Shape (rows,): each word's index in `words`; MISSING or UNKNOWN where it has none."""
        place = {word: index for index, word in enumerate(self.words)}
        missing = MISSING_WORDS.union(self.markers)
        known: dict[object, int] = {}
        codes = np.empty(len(cells), dtype=np.int64)
        for row, cell in enumerate(cells):
            is_text = isinstance(cell, str)
            code = known.get(cell) if is_text else None
            if code is None:
                word = word_of(cell, self.spelling, missing)
                code = MISSING if word is None else place.get(word, UNKNOWN)
                if is_text:
                    known[cell] = code
            codes[row] = code
        return codes

    def filled_codes(self, cells: Cells, first_row: int = 1, tally: Tally | None = None) -> npt.NDArray[np.int64]:
        """The same with the filling word for missing cells and, where there is one, `other` for unknown words; both are
        counted.

        Raises:
            DataError: a cell is missing, and there is nothing to fill it with.
        """
        codes = self.codes(cells)
        place = {word: index for index, word in enumerate(self.words)}
        unknown = place[OTHER] if self.has_other else UNKNOWN
        if self.fill is None and (codes == MISSING).any():
            raise missing_cell(self.name, codes == MISSING, first_row)
        if tally is not None:
            self._count(cells, codes, first_row, tally)
        codes[codes == UNKNOWN] = unknown
        codes[codes == MISSING] = place.get(self.fill or "", unknown)
        return codes

    def _count(self, cells: Cells, codes: npt.NDArray[np.int64], first_row: int, tally: Tally) -> None:
        """Counts the cells that are missing, and those whose word is none of the column's."""
        count_gaps(self.name, codes == MISSING, first_row, tally)
        self._count_unknown(cells, codes, first_row, tally)

    def _count_unknown(self, cells: Cells, codes: npt.NDArray[np.int64], first_row: int, tally: Tally) -> None:
        if (unknown := codes == UNKNOWN).any():
            new = (word_of(cells[int(row)], self.spelling) or "" for row in np.flatnonzero(unknown))
            tally.not_known(self.name, row_numbers(unknown, first_row), new)

    def transform(
        self,
        cells: Cells,
        first_row: int = 1,
        *,
        scaled: bool = True,  # noqa: ARG002 - there is nothing to scale
        tally: Tally | None = None,
    ) -> npt.NDArray[np.float32]:
        """float32, shape (rows, words). Raises DataError where a cell is missing and `fill` is None."""
        codes = self.filled_codes(cells, first_row, tally)
        encoded = np.zeros((len(codes), len(self.words)), dtype=np.float32)
        known = np.flatnonzero(codes >= 0)
        encoded[known, codes[known]] = 1
        return encoded

    def unscaled(self) -> "CategoryColumn":
        """Itself: there is nothing to scale."""
        return self

    def to_json(self) -> dict[str, Any]:
        """JSON values; markers are the whole table's and stay out."""
        return {
            "name": self.name,
            "kind": "Category",
            "fill": self.fill,
            "words": list(self.words),
            "spelling": self.spelling,
            **({"other": True} if self.has_other else {}),
        }


@dataclass(frozen=True)
class DateColumn:
    """A date or time becomes its parts, each an input as a number is one."""

    name: str
    fill: float | None
    """What a missing cell counts as, in seconds since 1970-01-01T00:00."""
    form: str
    """ISO8601, or a form of strptime."""
    parts: tuple[DatePart, ...]
    """Those that vary in the training set."""
    means: tuple[float, ...]
    scales: tuple[float, ...]
    markers: tuple[str, ...] = ()
    """What stands for a missing cell beside MISSING_NUMBERS."""
    keeps_gaps: bool = False
    """Whether the parts of a missing cell are NaN, for a model that knows what to do with them."""

    @property
    def feature_names(self) -> list[str]:
        """The names of the model's inputs that this column becomes: COLUMN.PART."""
        return [f"{self.name}.{part}" for part in self.parts]

    def seconds(self, cells: Cells, first_row: int = 1) -> Float64:
        """float64, shape (rows,), since 1970-01-01T00:00, NaN for missing cells. Raises DataError for a cell that is no
        date."""
        if isinstance(cells, np.ndarray) and cells.dtype.kind == "M":
            return seconds_of(cells)
        missing = MISSING_NUMBERS.union(self.markers)
        known: dict[object, float] = {}
        seconds = np.empty(len(cells), dtype=np.float64)
        for row, cell in enumerate(cells):
            is_text = isinstance(cell, str)
            found = known.get(cell) if is_text else None
            if found is None:
                found = date_of(cell, self.form, missing)
                if found is None:
                    raise DataError(
                        f"row {first_row + row}, column {self.name!r}: {cell!r} is not a date of the form {self.form}, "
                        "as the column was in training; write it so (pandas: pandas.to_datetime), or, before training, "
                        f"say what its form is: dates: {{{self.name}: FORM}}"
                    )
                if is_text:
                    known[cell] = found
            seconds[row] = found
        return seconds

    def transform(
        self, cells: Cells, first_row: int = 1, *, scaled: bool = True, tally: Tally | None = None
    ) -> Float64:
        """float64, shape (rows, parts). Raises DataError where a cell is missing (and `fill` is None) or is no date."""
        seconds = self.seconds(cells, first_row)
        missing = np.isnan(seconds)
        if self.keeps_gaps:
            count_gaps(self.name, missing, first_row, tally)
            # Any date's parts are taken of a gap, and taken out again.
            whole = np.where(missing, 0.0, seconds)
        else:
            whole = filled(self.name, seconds, self.fill, first_row, tally)
        parts = date_parts(whole)
        values = np.stack([parts[part] for part in self.parts], axis=1)
        if self.keeps_gaps:
            values[missing] = np.nan
        return (values - np.array(self.means)) / np.array(self.scales) if scaled else values

    def unscaled(self) -> "DateColumn":
        """The same for a model that takes numbers as they are."""
        return replace(self, means=(0.0,) * len(self.parts), scales=(1.0,) * len(self.parts))

    def to_json(self) -> dict[str, Any]:
        """JSON values; markers are the whole table's and stay out."""
        return {
            "name": self.name,
            "kind": "Date",
            "fill": self.fill,
            "form": self.form,
            "parts": list(self.parts),
            "means": list(self.means),
            "scales": list(self.scales),
            **({"gaps": True} if self.keeps_gaps else {}),
        }


@dataclass(frozen=True)
class CodeColumn(CategoryColumn):
    """A word becomes its index in `words`, one input, for a model that splits categories as sets; NaN for a word that
    is none of them, and for a missing cell that stays one."""

    keeps_gaps: bool = False
    """Whether a missing cell stays one."""

    @property
    def feature_names(self) -> list[str]:
        """The name of the model's input that this column becomes."""
        return [self.name]

    def transform(  # type: ignore[override]
        self,
        cells: Cells,
        first_row: int = 1,
        *,
        scaled: bool = True,  # noqa: ARG002 - there is nothing to scale
        tally: Tally | None = None,
    ) -> Float64:
        """float64, shape (rows, 1). Raises DataError where a cell is missing that does not stay so, and `fill` is
        None."""
        if self.keeps_gaps:
            codes = self.codes(cells)
            if tally is not None:
                self._count(cells, codes, first_row, tally)
            if self.has_other:
                codes[codes == UNKNOWN] = self.words.index(OTHER)
        else:
            codes = self.filled_codes(cells, first_row, tally)
        return np.where(codes < 0, np.nan, codes.astype(np.float64))[:, np.newaxis]

    def to_json(self) -> dict[str, Any]:
        """JSON values; markers are the whole table's and stay out."""
        return {**super().to_json(), "kind": "Code", **({"gaps": True} if self.keeps_gaps else {})}


Column: TypeAlias = NumberColumn | CategoryColumn | DateColumn


def seconds_of(moments: npt.NDArray[Any]) -> Float64:
    """datetime64 of any unit as float64 seconds since 1970-01-01T00:00; NaN for NaT."""
    seconds = moments.astype("datetime64[us]").astype(np.int64) / 1e6
    return np.where(np.isnat(moments), np.nan, seconds)
