"""Tables as people have them in Python, column by column as cells. Imports the api, serving and numpy; pandas, Arrow
and Polars are not imported, but known by their methods.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Protocol, TypeAlias

import numpy as np

from steelyard.api.errors import DataError
from steelyard.serving.gaps import Cells


class ArrowTable(Protocol):
    """What pandas' and Polars' DataFrames and Arrow's tables have in common: Arrow's PyCapsule interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


Table: TypeAlias = Mapping[str, Any] | ArrowTable
"""A pandas or Polars DataFrame, an Arrow table, or a dictionary of columns: lists, arrays or series of one length."""

ALLOWED = "a pandas or Polars DataFrame, an Arrow table, or a dictionary of columns"
_NO_CELLS = (list, tuple, dict, set, np.ndarray, complex)


def cells_by_column(data: Table, wanted: Sequence[str]) -> dict[str, Cells]:
    """The cells of the columns that are wanted, as the table has them.

    Args:
        data: a table; its other columns are not looked at.
        wanted: the columns that it must have, in any order.

    Raises:
        DataError: it is no table, lacks a column, has one twice, columns differ in length, or a cell is a list or
            the like.
    """
    columns = dict(columns_of(data))
    if absent := [name for name in wanted if name not in columns]:
        raise DataError(
            f"the table lacks {_listed(absent)}, which the model was trained on; it has {_listed(list(columns))}"
        )
    table = {name: _cells(name, columns[name]) for name in wanted}
    lengths = {name: len(cells) for name, cells in table.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name!r} {length:,}" for name, length in lengths.items())
        raise DataError(f"the columns differ in length: {shown}")
    return table


def columns_of(data: Any) -> Iterator[tuple[str, Any]]:
    """The columns of a `Table` by name, in its order and each of its library's type; an index is none.

    Raises:
        DataError: it is no table, or has a column twice.
    """
    if isinstance(data, Mapping):
        pairs: Iterable[tuple[Any, Any]] = data.items()
    elif hasattr(data, "column_names"):  # Arrow: a table or a batch.
        pairs = zip(data.column_names, data.columns, strict=True)
    elif hasattr(data, "get_columns"):  # Polars.
        pairs = ((series.name, series) for series in data.get_columns())
    elif hasattr(data, "iloc") and hasattr(data, "columns"):  # pandas.
        pairs = ((name, data.iloc[:, place]) for place, name in enumerate(data.columns))
    elif (table := arrow_table(data)) is not None:  # Whatever else hands out Arrow's tables.
        pairs = zip(table.column_names, table.columns, strict=True)
    else:
        hint = "; collect() makes a DataFrame of it" if hasattr(data, "collect") else ""
        raise DataError(f"a {type(data).__name__} is no table; allowed: {ALLOWED}{hint}")
    seen: set[str] = set()
    for name, cells in pairs:
        if isinstance(name, tuple):
            raise DataError(f"the column {name!r} has a name of several levels; a column's name is one text")
        if str(name) in seen:
            raise DataError(f"the table has the column {str(name)!r} twice")
        seen.add(str(name))
        yield str(name), cells


def arrow_table(data: Any) -> Any:
    """An object that hands out Arrow's tables, as pyarrow's; None where it is none, or pyarrow is not installed."""
    if not hasattr(data, "__arrow_c_stream__") or find_spec("pyarrow") is None:
        return None
    import pyarrow as pa

    try:
        return pa.table(data)
    except (TypeError, pa.ArrowInvalid):  # A column by itself.
        return None


def _cells(name: str, column: Any) -> Cells:
    """One column's cells, which `Preprocessing` reads whatever library their types are of. Raises DataError."""
    if isinstance(column, str | bytes | Mapping) or not hasattr(column, "__len__"):
        raise DataError(
            f"column {name!r}: a {type(column).__name__} is no column; give a list of cells, one for each row"
        )
    if hasattr(column, "isna"):  # pandas; what NumPy has no type for keeps its gaps in a list only.
        column = column.to_numpy() if isinstance(column.dtype, np.dtype) else column.tolist()
    elif hasattr(column, "to_pylist"):  # Arrow.
        try:
            column = column.to_pylist()
        except OverflowError:
            raise DataError(f"column {name!r} holds a date outside the years 1 to 9999") from None
    elif hasattr(column, "to_list"):  # Polars.
        column = column.to_list()
    if isinstance(column, np.ndarray):
        if column.ndim != 1:
            raise DataError(f"column {name!r} has the shape {column.shape}; a column has one dimension")
        if column.dtype.kind in "fiubmM":
            return column
        column = column.tolist()
    cells = list(column)
    for row, cell in enumerate(cells, 1):
        if isinstance(cell, _NO_CELLS):
            raise DataError(
                f"row {row:,}, column {name!r}: a {type(cell).__name__} is no cell; allowed: a number, text, truth "
                "value, date or time"
            )
    return cells


def _listed(names: Sequence[str], limit: int = 20) -> str:
    if not names:
        return "no columns"
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ("the column " if len(names) == 1 else "the columns ") + ", ".join(map(repr, names[:limit])) + more
