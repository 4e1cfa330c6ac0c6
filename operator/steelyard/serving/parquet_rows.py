"""Raw rows from a Parquet file, for prediction. Imports pyarrow, which nothing else in serving needs."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelyard.api.errors import ConfigurationError, DataError
from steelyard.serving.batches import BATCH_ROWS, Batch, Cell, check_header

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ModuleNotFoundError:
    raise ConfigurationError(
        "reading Parquet needs the library pyarrow, which is not installed; install it: pip install pyarrow"
    ) from None


@dataclass(frozen=True)
class ParquetRows:
    """A Parquet file, read a piece of a row group at a time."""

    file: Any
    """The open pyarrow.parquet.ParquetFile."""
    name: str

    @classmethod
    @contextmanager
    def open(cls, path: Path, name: str) -> Iterator["ParquetRows"]:
        """Raises DataError where it is no whole Parquet file."""
        with _explained(name):
            file = pq.ParquetFile(path, pre_buffer=False)
        with file:
            yield cls(file, name)

    def header(self) -> list[str]:
        """See Rows."""
        names: list[str] = self.file.schema_arrow.names
        if not names:
            raise DataError(f"{self.name} has no columns")
        check_header(names, self.name)
        return names

    def batches(self, columns: Collection[str]) -> Iterator[Batch]:
        """See Rows."""
        names = [name for name in self.header() if name in columns]
        first_row = 1
        with _explained(self.name):
            for read in self.file.iter_batches(batch_size=BATCH_ROWS, columns=names, use_threads=False):
                if read.num_rows:
                    yield Batch(first_row, read.num_rows, {name: cells_of(name, read.column(name)) for name in names})
                    first_row += read.num_rows


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """An error of pyarrow's becomes a DataError."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        what = str(error).splitlines()[0]
        raise DataError(f"{name} is not a whole Parquet file; it may have been cut off: {what}") from None


def cells_of(column: str, array: Any) -> Sequence[Cell]:
    """A column's cells as values of Python; timestamps to the microsecond. Raises DataError for a date that Python has
    none for."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_timestamp(array.type):
        # Nanoseconds would need pandas.
        array = array.cast(pa.timestamp("us", array.type.tz), safe=False)
    try:
        cells: list[Cell] = array.to_pylist()
    except OverflowError:
        raise DataError(f"column {column!r} holds a date outside the years 1 to 9999") from None
    return cells
