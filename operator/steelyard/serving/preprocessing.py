"""From raw cells to the model's input, with figures learned from the training part. Imports numpy, cells and the api.

The trainer learns these figures and publishes them beside the model; training, evaluation and prediction all go
through `Preprocessing.transform`, so that they can't differ.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, TypeVar, overload

import numpy as np
import numpy.typing as npt

from steelyard.api.errors import DataError
from steelyard.api.training_job import Task
from steelyard.cells.missing import MISSING_NUMBER_WORDS
from steelyard.serving.tally import Tally

Cells: TypeAlias = Sequence[float | str | None] | npt.NDArray[Any]
"""The cells of one column, by row. None, NaN, the empty text and (numbers only) MISSING_NUMBER_WORDS are missing."""

Float = TypeVar("Float", np.float32, np.float64)

_MISSING = frozenset(MISSING_NUMBER_WORDS)


@dataclass(frozen=True)
class NumberColumn:
    """A number becomes (number - mean) / scale: one input; for models that take raw numbers, the number."""

    name: str
    fill: float | None
    """What a missing cell counts as; None: a missing cell is an error."""
    mean: float
    scale: float
    """The standard deviation; 1 for a column that does not vary."""

    @property
    def feature_names(self) -> list[str]:
        """The names of the model's inputs that this column becomes."""
        return [self.name]

    def transform(
        self, cells: Cells, first_row: int = 1, *, scaled: bool = True, tally: Tally | None = None
    ) -> npt.NDArray[np.float64]:
        """float64, shape (rows, 1). Raises DataError where a cell is missing (and `fill` is None) or is no number."""
        numbers = _numbers(self.name, cells, first_row)
        missing = np.isnan(numbers)
        if missing.any():
            if self.fill is None:
                raise _missing_cell(self.name, missing, first_row)
            if tally is not None:
                tally.fill(self.name, _row_numbers(missing, first_row))
            numbers = np.where(missing, self.fill, numbers)
        if not np.isfinite(numbers).all():
            row = int(np.flatnonzero(~np.isfinite(numbers))[0])
            raise DataError(f"row {first_row + row}, column {self.name!r}: {numbers[row]} is not a finite number")
        # The difference of float64 first: large values with a small spread would lose it in float32.
        return ((numbers - self.mean) / self.scale if scaled else numbers)[:, np.newaxis]


@dataclass(frozen=True)
class CategoryColumn:
    """A word becomes one input for each word that training saw: 1 for its own, 0 elsewhere; all 0 for a new word."""

    name: str
    fill: str | None
    """What a missing cell counts as; None: a missing cell is an error."""
    words: tuple[str, ...]

    @property
    def feature_names(self) -> list[str]:
        """The names of the model's inputs that this column becomes."""
        return [f"{self.name}={word}" for word in self.words]

    def transform(
        self,
        cells: Cells,
        first_row: int = 1,
        *,
        scaled: bool = True,  # noqa: ARG002 - there is nothing to scale
        tally: Tally | None = None,
    ) -> npt.NDArray[np.float32]:
        """float32, shape (rows, words). Raises DataError where a cell is missing and `fill` is None."""
        place = {word: index for index, word in enumerate(self.words)}
        words = [None if _is_missing(cell) else str(cell) for cell in cells]
        if self.fill is None and None in words:
            raise _missing_cell(self.name, np.array([word is None for word in words]), first_row)
        found = np.array([place.get(self.fill if word is None else word, -1) for word in words], dtype=np.int64)  # type: ignore[arg-type]
        if tally is not None:
            self._count(words, found, first_row, tally)
        encoded = np.zeros((len(words), len(self.words)), dtype=np.float32)
        known = np.flatnonzero(found >= 0)
        encoded[known, found[known]] = 1
        return encoded

    def _count(self, words: Sequence[str | None], found: npt.NDArray[np.int64], first_row: int, tally: Tally) -> None:
        """Counts the cells that were filled, and those whose word is none of the column's."""
        missing = np.array([word is None for word in words], dtype=np.bool_)
        if missing.any():
            tally.fill(self.name, _row_numbers(missing, first_row))
        unknown = (found < 0) & ~missing
        if unknown.any():
            new = (word for word, is_new in zip(words, unknown, strict=True) if is_new and word is not None)
            tally.not_known(self.name, _row_numbers(unknown, first_row), new)


Column: TypeAlias = NumberColumn | CategoryColumn


@dataclass(frozen=True)
class Preprocessing:
    """All that prediction must know of the data beside the model itself."""

    columns: tuple[Column, ...]
    """The features, in the table's order."""
    target: str
    task: Task
    classes: tuple[str, ...] | None = None
    """Classification: the labels as they were written, in the order of the model's outputs."""
    target_mean: float = 0.0
    """Regression: mean of the training part's target, in its own unit. For training only: a published model's output
    is in the target's unit already."""
    target_scale: float = 1.0
    """Regression: standard deviation of the training part's target; for training only. 1 where it does not vary."""

    @property
    def width(self) -> int:
        """How many inputs the model has."""
        return sum(len(column.feature_names) for column in self.columns)

    @property
    def feature_names(self) -> list[str]:
        """The names of the model's inputs, in order: the column's name, for categories COLUMN=WORD."""
        return [name for column in self.columns for name in column.feature_names]

    @overload
    def transform(
        self, table: Mapping[str, Cells], first_row: int = 1, *, scaled: bool = True, tally: Tally | None = None
    ) -> npt.NDArray[np.float32]: ...

    @overload
    def transform(
        self,
        table: Mapping[str, Cells],
        first_row: int = 1,
        *,
        dtype: type[Float],
        scaled: bool = True,
        tally: Tally | None = None,
    ) -> npt.NDArray[Float]: ...

    def transform(
        self,
        table: Mapping[str, Cells],
        first_row: int = 1,
        *,
        dtype: Any = np.float32,
        scaled: bool = True,
        tally: Tally | None = None,
    ) -> npt.NDArray[Any]:
        """The model's input.

        Args:
            table: cells by column; columns that are no features are ignored.
            first_row: the number that errors give the first row; for a table that is read in batches.
            dtype: float32 for networks, float64 for scikit-learn's models.
            scaled: whether numbers are shifted and scaled; gaps are filled either way.
            tally: counts the cells that were filled, or whose word training has not seen.

        Returns:
            Of that type, shape (rows, width), C order.

        Raises:
            DataError: a column is missing, columns differ in length, or a cell can't be used.
        """
        if absent := [column.name for column in self.columns if column.name not in table]:
            raise DataError(
                f"the input lacks the {_columns(absent)}; the model was trained on "
                f"{', '.join(column.name for column in self.columns)}; there are {', '.join(table) or 'none'}"
            )
        lengths = {column.name: len(table[column.name]) for column in self.columns}
        if len(set(lengths.values())) != 1:
            raise DataError(f"the columns differ in length: {lengths}")
        # Filled in place: a table must not be held twice.
        features = np.empty((next(iter(lengths.values())), self.width), dtype=dtype)
        start = 0
        for column in self.columns:
            end = start + len(column.feature_names)
            features[:, start:end] = column.transform(table[column.name], first_row, scaled=scaled, tally=tally)
            start = end
        return features

    def unscaled(self) -> "Preprocessing":
        """The same for a model that takes numbers as they are: its `transform` needs no `scaled=False`."""
        columns = [
            replace(column, mean=0.0, scale=1.0) if isinstance(column, NumberColumn) else column
            for column in self.columns
        ]
        return replace(self, columns=tuple(columns))

    def labels(self, outputs: npt.ArrayLike) -> list[str] | list[float]:
        """What the model says of each row.

        Args:
            outputs: shape (rows, classes), or (rows, 1) for regression.

        Returns:
            Classification: the most probable class's label as it was written; regression: the number.
        """
        values = np.asarray(outputs)
        if self.classes is None:
            return [float(value) for value in values.reshape(-1)]
        return [self.classes[index] for index in values.argmax(axis=1)]

    def to_json(self) -> dict[str, Any]:
        """JSON values from which `from_json` makes an equal object; floats keep every bit."""
        return {
            "target": self.target,
            "task": self.task,
            "classes": None if self.classes is None else list(self.classes),
            "targetMean": self.target_mean,
            "targetScale": self.target_scale,
            "columns": [_column_to_json(column) for column in self.columns],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Preprocessing":
        """Raises KeyError where the document is not one of `to_json`."""
        task: Literal["Classification", "Regression"] = document["task"]
        classes = document["classes"]
        return cls(
            columns=tuple(_column_from_json(column) for column in document["columns"]),
            target=document["target"],
            task=task,
            classes=None if classes is None else tuple(classes),
            target_mean=document["targetMean"],
            target_scale=document["targetScale"],
        )


def _column_to_json(column: Column) -> dict[str, Any]:
    if isinstance(column, NumberColumn):
        return {
            "name": column.name,
            "kind": "Number",
            "fill": column.fill,
            "mean": column.mean,
            "scale": column.scale,
        }
    return {"name": column.name, "kind": "Category", "fill": column.fill, "words": list(column.words)}


def _column_from_json(document: Mapping[str, Any]) -> Column:
    if document["kind"] == "Number":
        return NumberColumn(document["name"], document["fill"], document["mean"], document["scale"])
    return CategoryColumn(document["name"], document["fill"], tuple(document["words"]))


def _numbers(name: str, cells: Cells, first_row: int) -> npt.NDArray[np.float64]:
    """float64 with NaN for missing cells. Raises DataError for a cell that is no number."""
    if isinstance(cells, np.ndarray) and cells.dtype.kind in "fiub":
        return cells.astype(np.float64)
    numbers = np.empty(len(cells), dtype=np.float64)
    for row, cell in enumerate(cells):
        if cell is None or (isinstance(cell, str) and cell.strip() in _MISSING):
            numbers[row] = math.nan
            continue
        try:
            # Python takes 1_000 for a number; the stage prepare, as every other reader of tables, does not.
            numbers[row] = float("_" if isinstance(cell, str) and "_" in cell else cell)
        except (TypeError, ValueError):
            raise DataError(f"row {first_row + row}, column {name!r}: {cell!r} is not a number") from None
    return numbers


def _is_missing(cell: object) -> bool:
    return cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell))


def _missing_cell(name: str, missing: npt.NDArray[np.bool_], first_row: int) -> DataError:
    row = int(np.flatnonzero(missing)[0])
    return DataError(
        f"row {first_row + row}, column {name!r}: the cell is empty, but the model was trained with a missingValues "
        "strategy (Fail or DropRow) that has nothing to put there"
    )


def _row_numbers(rows: npt.NDArray[np.bool_], first_row: int) -> list[int]:
    """The numbers of the rows that are marked."""
    return [int(row) + first_row for row in np.flatnonzero(rows)]


def _columns(names: Iterable[str]) -> str:
    quoted = [repr(name) for name in names]
    return ("column " if len(quoted) == 1 else "columns ") + ", ".join(quoted)
