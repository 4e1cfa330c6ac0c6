"""Missing cells of a column: which they are, and what is put there. Imports numpy, cells and the api."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from steelyard.api.errors import DataError
from steelyard.cells.numbers import finite_number
from steelyard.serving.tally import Tally

Cells: TypeAlias = Sequence[Any] | npt.NDArray[Any]
"""The cells of one column, by row: texts, or values of Python, NumPy or pandas."""

Float64 = npt.NDArray[np.float64]


def without_markers(numbers: Float64, markers: Sequence[str]) -> Float64:
    """The numbers, NaN in place of those that markers such as "-999" name."""
    values = [number for marker in markers if (number := finite_number(marker)) is not None]
    return np.where(np.isin(numbers, values), np.nan, numbers) if values else numbers


def filled(name: str, numbers: Float64, fill: float | None, first_row: int, tally: Tally | None) -> Float64:
    """The numbers with `fill` for NaN, counted. Raises DataError where there is nothing to fill one with."""
    missing = np.isnan(numbers)
    if not missing.any():
        return numbers
    if fill is None:
        raise missing_cell(name, missing, first_row)
    count_gaps(name, missing, first_row, tally)
    return np.where(missing, fill, numbers)


def count_gaps(name: str, missing: npt.NDArray[np.bool_], first_row: int, tally: Tally | None) -> None:
    """Counts the missing cells, if there are any."""
    if tally is not None and missing.any():
        tally.fill(name, row_numbers(missing, first_row))


def row_numbers(rows: npt.NDArray[np.bool_], first_row: int) -> list[int]:
    """The numbers of the rows that are marked."""
    return [int(row) + first_row for row in np.flatnonzero(rows)]


def missing_cell(name: str, missing: npt.NDArray[np.bool_], first_row: int) -> DataError:
    """The error for a gap that a model of an older version can't fill."""
    row = int(np.flatnonzero(missing)[0])
    return DataError(
        f"row {first_row + row}, column {name!r}: the cell is empty, but the model was trained with a missingValues "
        "strategy (Fail or DropRow) that has nothing to put there"
    )
