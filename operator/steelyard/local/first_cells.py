"""What a Parquet table's columns and first rows show that the stage prepare will refuse, as `first_rows` does of CSV.

Imports cells, the api, and pyarrow where a table is read.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelyard.api.dataset import Dataset
from steelyard.api.errors import DataError
from steelyard.cells.arrow_types import Kind, feature_fault, kind_of, numbers_fault, saved_index, target_fault
from steelyard.cells.words import text_of

_ROWS = 5000
_CELLS = 1_000_000


@dataclass(frozen=True)
class Frame:
    """A table's columns, and the cells of its first rows."""

    header: list[str]
    """The columns that count: not the index that pandas saved, unless the manifest names it."""
    types: dict[str, Any]
    """By column: its Arrow type."""
    cells: dict[str, list[str]]
    """By column that can be read: its first cells as a CSV file would have them, "" for null and NaN; of dates and
    times any text."""

    @classmethod
    def read(cls, path: Path, dataset: Dataset) -> "Frame":
        """Reads up to 5,000 rows, or a million cells.

        Raises:
            ImportError: pyarrow is not installed.
            DataError: it is no whole Parquet file.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(path, pre_buffer=False) as file:
                schema = file.schema_arrow
                index = set(saved_index(schema)) - _named(dataset)
                header = [name for name in schema.names if name not in index]
                # Of names that are there twice there would be two columns.
                wanted = [
                    name for name in header if header.count(name) == 1 and kind_of(schema.field(name).type) != "Other"
                ]
                rows = max(1, min(_ROWS, _CELLS // max(1, len(wanted))))
                first = next(file.iter_batches(batch_size=rows, columns=wanted, use_threads=False), None)
        except (pa.ArrowException, OSError) as error:
            what = str(error).splitlines()[0]
            raise DataError(
                f"is not a whole Parquet file; it may have been cut off, or be of another kind: {what}"
            ) from None
        types = {name: schema.field(name).type for name in wanted}
        types |= {name: schema.field(schema.names.index(name)).type for name in header if name not in types}
        try:
            cells = {name: _texts(first.column(name)) if first is not None else [] for name in wanted}
        except UnicodeDecodeError as error:
            raise DataError(f"holds a text that is not UTF-8 ({error.reason}); write the table anew") from None
        return cls(header, types, cells)

    def column(self, name: str) -> list[str]:
        """The cells of a column, without blanks around."""
        return [cell.strip() for cell in self.cells.get(name, ())]

    def kind(self, name: str) -> Kind:
        """What its type says of a column."""
        return kind_of(self.types[name])


def type_problems(dataset: Dataset, frame: Frame, source: str) -> Iterator[tuple[str, str]]:
    """(the field that could mend it, what is wrong) of each column whose type prepare will refuse."""
    if fault := target_fault(dataset.target, frame.types[dataset.target], source):
        yield "target", fault
    for name in frame.header:
        if name in dataset.numbers and (fault := numbers_fault(name, frame.types[name], source)):
            yield f"numbers.{name}", fault
        elif name not in no_features(dataset) and (fault := feature_fault(name, frame.types[name], source)):
            yield "exclude", fault


def no_features(dataset: Dataset) -> set[str]:
    """The columns that are not learned from."""
    return {dataset.target, *dataset.exclude, *(dataset.split.by or ())[1:]}


def _named(dataset: Dataset) -> set[str]:
    """The columns that the manifest names."""
    return {*no_features(dataset), *dataset.categorical, *dataset.numbers, *dataset.dates}


def _texts(column: Any) -> list[str]:
    if kind_of(column.type) in ("Date", "Duration"):
        # What they are need not be read, and Python has no type for some of them.
        return ["" if is_missing else "given" for is_missing in column.is_null().to_pylist()]
    return ["" if _is_missing(cell) else text_of(cell) for cell in column.to_pylist()]


def _is_missing(cell: object) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell))
