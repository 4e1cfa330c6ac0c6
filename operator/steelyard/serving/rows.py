"""Raw rows by batches, for prediction, from a CSV or Parquet file or standard input.

Imports the standard library, cells, formats and the api; parquet_rows for Parquet.
"""

import csv
import gzip
import shutil
import sys
import tempfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from steelyard.api.errors import DataError
from steelyard.cells.csv_text import CsvStyle, open_text, records
from steelyard.contract.stages import Reason
from steelyard.formats.gzipped import header_of, open_decompressed
from steelyard.formats.parquet import PARQUET
from steelyard.formats.table import format_by_mark
from steelyard.serving.batches import BATCH_ROWS, Batch, Rows, check_header
from steelyard.texts.figures import counted

STANDARD_INPUT = Path("-")


@contextmanager
def open_rows(source: Path, style: CsvStyle | None = None, needed: Collection[str] = ()) -> Iterator[Rows]:
    """Opens a table; what it is, its first bytes say.

    Args:
        source: a file, or STANDARD_INPUT. What can be read only once (a pipe) is copied to a temporary file.
        style: how CSV is written. Where its header lacks columns that are needed, the plain style is tried, too.
        needed: the columns that are needed.

    Raises:
        DataError: there is no such file, or it is no table.
        ConfigurationError: it is Parquet, and pyarrow is not installed.
    """
    with _file(source) as path:
        name = "standard input" if source == STANDARD_INPUT else source.name
        if format_by_mark(header_of(path)) is PARQUET:
            from steelyard.serving.parquet_rows import ParquetRows

            with ParquetRows.open(path, name) as rows:
                yield rows
        else:
            yield _csv_rows(path, name, CsvStyle.of(source.name), style, needed)


@contextmanager
def _file(source: Path) -> Iterator[Path]:
    """A file that can be read twice."""
    if source == STANDARD_INPUT:
        with _copy(sys.stdin.buffer) as path:
            yield path
        return
    if not source.exists():
        raise DataError(f"the input {source} does not exist", reason=Reason.SOURCE_NOT_FOUND)
    if source.is_dir():
        raise DataError(f"the input {source} is a folder; name a CSV or Parquet file", reason=Reason.INVALID_DATA)
    if source.is_file():
        yield source
        return
    with source.open("rb") as pipe, _copy(pipe) as path:
        yield path


@contextmanager
def _copy(content: IO[bytes]) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(prefix="steelyard-") as file:
        shutil.copyfileobj(content, file)
        file.flush()
        yield Path(file.name)


def _csv_rows(path: Path, name: str, plain: CsvStyle, style: CsvStyle | None, needed: Collection[str]) -> "CsvRows":
    """The file in the style that it is written in: the given one, unless only the plain one has all columns."""
    rows = CsvRows(path, name, style or plain)
    if style is None or style == plain:
        return rows
    try:
        if set(needed) <= set(rows.header()):
            return rows
    except DataError:
        pass
    other = CsvRows(path, name, plain)
    try:
        return other if set(needed) <= set(other.header()) else rows
    except DataError:
        return rows


@dataclass(frozen=True)
class CsvRows:
    """A CSV file, plain or compressed by gzip. Empty lines are no rows."""

    path: Path
    name: str
    style: CsvStyle

    def header(self) -> list[str]:
        """See Rows."""
        with self._records() as lines:
            return self._checked_header(lines)

    def batches(self, columns: Collection[str]) -> Iterator[Batch]:
        """See Rows. A row that has more or fewer cells than the header is a DataError."""
        with self._records() as lines:
            header = self._checked_header(lines)
            places = [(index, name) for index, name in enumerate(header) if name in columns]
            first_row, pending = 1, list[list[str]]()
            for _, cells in lines:
                if len(cells) != len(header):
                    raise DataError(
                        f"{self.name}, row {first_row + len(pending):,}: {counted(len(cells), 'cell')}, "
                        f"but the header names {counted(len(header), 'column')}"
                    )
                pending.append(cells)
                if len(pending) == BATCH_ROWS:
                    yield _batch(first_row, pending, places)
                    first_row, pending = first_row + len(pending), []
            if pending:
                yield _batch(first_row, pending, places)

    def _checked_header(self, lines: Iterator[tuple[int, list[str]]]) -> list[str]:
        first = next(lines, None)
        if first is None:
            raise DataError(f"{self.name} is empty; it must begin with a line that names the columns")
        check_header(first[1], self.name)
        return first[1]

    @contextmanager
    def _records(self) -> Iterator[Iterator[tuple[int, list[str]]]]:
        """The records, the header first; what is wrong with the file becomes a DataError."""
        try:
            with open_decompressed(self.path) as content:
                yield records(open_text(content, self.style), self.style)
        except (UnicodeError, csv.Error, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"{self.name} is not a CSV file in {self.style.encoding}: {error}") from None


def _batch(first_row: int, rows: list[list[str]], places: list[tuple[int, str]]) -> Batch:
    return Batch(first_row, len(rows), {name: [cells[index] for cells in rows] for index, name in places})
