"""What rows from all over a table tell: its columns, and how often each text occurs in them. Imports local, cells,
formats and the api; pyarrow for Parquet.

A glance for writing a manifest; what counts is the trainer's own, full reading. Both read cells by the same package.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Literal

from steelyard.api.errors import DataError
from steelyard.cells.arrow_types import Kind, kind_of, saved_index
from steelyard.cells.csv_text import CsvStyle, no_text, records
from steelyard.cells.messages import unnamed
from steelyard.cells.words import text_of
from steelyard.cli.dialect import Dialect, dialect_of
from steelyard.formats.base import Format, FormatName
from steelyard.formats.csv_text import CSV
from steelyard.formats.gzipped import open_decompressed
from steelyard.formats.parquet import PARQUET
from steelyard.formats.table import detect_format
from steelyard.local.file_kinds import refuse_other_files
from steelyard.texts.figures import counted

WHOLE_BYTES = 8 << 20
"""A table of at most so many bytes is read whole."""
_BLOCKS = 16
_BLOCK_BYTES = 256 << 10
_PARQUET_ROWS = 200_000
_PARQUET_BLOCK_ROWS = 12_500

ArrowKind = Literal["Number", "Category", "Date", "Other"]
_ARROW_KINDS: Mapping[Kind, ArrowKind] = {
    "Text": "Category",
    "Words": "Category",
    "Number": "Number",
    "Truth": "Category",
    "Empty": "Category",
    "Duration": "Date",
    "Date": "Date",
    "Other": "Other",
}


@dataclass
class Column:
    """One column, as far as the sample shows it."""

    name: str
    counts: dict[str, int] = field(default_factory=dict)
    """Rows of each text, in the order of their first; null and "" are one."""
    arrow: ArrowKind | None = None
    """What Parquet says that it holds."""
    arrow_type: str = ""
    """Parquet's own name of that."""


@dataclass(frozen=True)
class Sample:
    """Rows of a table."""

    columns: tuple[Column, ...]
    rows: int
    """Rows that were read."""
    all_rows: int
    """Rows of the table; estimated from its size if it is CSV and has more than were read."""
    csv: dict[str, str | int] = field(default_factory=dict)
    """What `dataset.csv` must say."""
    format: Format = CSV
    left_out: tuple[str, ...] = ()
    """Columns that Steelyard leaves out itself: the index that pandas saved."""

    @property
    def is_whole_table(self) -> bool:
        """Whether all rows were read."""
        return self.rows == self.all_rows

    def column(self, name: str) -> Column:
        """The column of that name."""
        return next(column for column in self.columns if column.name == name)


def read_sample(path: Path, given: str | None = None) -> Sample:
    """Reads a small table whole, of a large one blocks that are spread over it.

    Args:
        path: a CSV file (.tsv is tabs, .gz is compressed) or a Parquet file.
        given: what the user wrote for it.

    Raises:
        DataError: it is not there, no table, or has no rows.
    """
    refuse_other_files(path, given or str(path))
    return _READERS[detect_format(path).name](path)


def _read_csv(path: Path) -> Sample:
    try:
        with open_decompressed(path) as file:
            dialect = dialect_of(path.name, file)
            try:
                return _Reader(path, file, dialect).read()
            except UnicodeError as error:
                raise DataError(f"{path} is not a CSV file: {no_text(error, dialect.style)}") from None
    except (csv.Error, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is not a CSV file: {error}") from None


class _Reader:
    """Reads a CSV file."""

    def __init__(self, path: Path, file: IO[bytes], dialect: Dialect) -> None:
        self._path = path
        self._file = file
        self._style = dialect.style
        self._said = dialect.said
        self._rows = 0
        self._bytes = 0
        self._columns: list[Column] = []

    def read(self) -> Sample:
        """Raises what `read_sample` says."""
        size = _size_of(self._path, self._file)
        # UTF-16 can't be entered anywhere.
        is_whole = size <= WHOLE_BYTES or self._style.encoding == "UTF-16"
        self._read_from_start(None if is_whole else _BLOCK_BYTES)
        if not is_whole:
            step = (size - _BLOCK_BYTES) // (_BLOCKS - 1)
            for block in range(1, _BLOCKS):
                self._read_block(block * step)
        if not self._rows:
            raise DataError(f"{self._path} has a header but no rows")
        rows = self._rows if is_whole else max(self._rows + 1, round(self._rows * size / max(self._bytes, 1)))
        return Sample(tuple(self._columns), self._rows, rows, self._said)

    def _read_from_start(self, limit: int | None) -> None:
        self._file.seek(0)
        content: IO[bytes] = self._file if limit is None else io.BytesIO(_whole_lines(self._file.read(limit)))
        encoding = "utf-8-sig" if self._style.is_utf8 else self._style.encoding
        text = io.TextIOWrapper(content, encoding=encoding, newline="")
        found = records(_without_nul(self._path, text), self._style)
        try:
            _, header = next(found, (0, []))
            _check_header(self._path, header, self._style)
            self._columns = [Column(name) for name in header]
            for line, cells in found:
                if len(cells) != len(header):
                    raise DataError(
                        f"{self._path}, line {line}: {counted(len(cells), 'cell')}, but the header names "
                        f"{counted(len(header), 'column')}"
                    )
                self._take(cells)
            if limit is not None:
                self._bytes += content.tell()
        except csv.Error:
            # The block may end within a quoted cell.
            if limit is None or not self._rows:
                raise
        finally:
            text.detach()

    def _read_block(self, begin: int) -> None:
        """The rows of a block; what does not look like one, at its beginning, is passed over."""
        self._file.seek(begin)
        data = _whole_lines(self._file.read(_BLOCK_BYTES))
        data = data[data.find(b"\n") + 1 :]
        style = replace(self._style, header_row=0)
        encoding = "utf-8" if style.is_utf8 else style.encoding
        lines = io.StringIO(data.decode(encoding, errors="replace"), newline="")
        before = self._rows
        try:
            for line, cells in records(lines, style):
                if line and len(cells) == len(self._columns):
                    self._take(cells)
        except csv.Error:
            pass
        if self._rows > before:
            self._bytes += len(data)

    def _take(self, cells: list[str]) -> None:
        self._rows += 1
        for column, cell in zip(self._columns, cells, strict=True):
            column.counts[cell] = column.counts.get(cell, 0) + 1


def _size_of(path: Path, file: IO[bytes]) -> int:
    """Bytes of the file; of a compressed one as its last four bytes say, or more."""
    size = path.stat().st_size
    if not isinstance(file, gzip.GzipFile):
        return size
    with path.open("rb") as raw:
        raw.seek(max(0, size - 4))
        return max(size, int.from_bytes(raw.read(4), "little"))


def _whole_lines(data: bytes) -> bytes:
    return data[: data.rfind(b"\n") + 1] or data


def _without_nul(path: Path, lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if "\0" in line:
            raise DataError(f"{path} is not a CSV file: line {number} holds a NUL byte")
        yield line


def _check_header(path: Path, header: list[str], style: CsvStyle) -> None:
    if not any(name.strip() for name in header):
        raise DataError(f"{path} is empty; a CSV file begins with a line that names the columns")
    _check_names(path, header)
    if len(header) == 1:
        raise DataError(
            f"{path} has one column only, {header[0][:60]!r}, but a target and a feature are needed; is it separated "
            f"by another character than {style.delimiter!r}? Tried: comma, semicolon, tab and |"
        )


def _check_names(path: Path, names: list[str]) -> None:
    if repeated := next((name for name in names if name.strip() and names.count(name) > 1), None):
        raise DataError(f"{path} has the column {repeated!r} more than once; rename one of them")


def _read_parquet(path: Path) -> Sample:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise DataError(
            f"{path} is a Parquet file, and pyarrow, which reads it, is not installed; install pyarrow, or write the "
            "table as CSV"
        ) from None
    try:
        file = pq.ParquetFile(path)
        names = file.schema_arrow.names
        _check_names(path, names)
        index = {name for name in saved_index(file.schema_arrow) if name in names}
        places = [place for place, name in enumerate(names, 1) if not name.strip() and name not in index]
        if fault := unnamed(str(path), places, len(names)):
            raise DataError(fault)
        columns = [
            Column(entry.name, arrow=_ARROW_KINDS[kind_of(entry.type)], arrow_type=str(entry.type))
            for entry in file.schema_arrow
            if entry.name not in index
        ]
        rows = 0
        for table in _parquet_blocks(file, [column.name for column in columns if column.arrow != "Other"]):
            rows += table.num_rows
            for column in columns:
                if column.arrow != "Other":
                    _count(column, table.column(column.name), pa)
    except (pa.ArrowInvalid, OSError) as error:
        what = str(error).splitlines()[0]
        raise DataError(f"{path} is not a whole Parquet file; it may have been cut off: {what}") from None
    if not rows:
        raise DataError(f"{path} has columns but no rows")
    if len(columns) < 2:
        raise DataError(f"{path} has one column only, but a target and a feature are needed")
    return Sample(tuple(columns), rows, int(file.metadata.num_rows), format=PARQUET, left_out=tuple(sorted(index)))


def _parquet_blocks(file: Any, names: list[str]) -> Iterator[Any]:
    """A small table whole; of a large one parts of row groups, spread over the file."""
    groups, rows = file.metadata.num_row_groups, file.metadata.num_rows
    if rows <= _PARQUET_ROWS:
        yield from file.iter_batches(columns=names)
        return
    chosen = sorted({round(place * (groups - 1) / (_BLOCKS - 1)) for place in range(_BLOCKS)})
    most = max(_PARQUET_BLOCK_ROWS, _PARQUET_ROWS // len(chosen))
    for group in chosen:
        table = file.read_row_group(group, columns=names)
        step = max(1, table.num_rows // most)
        yield table.take(list(range(0, table.num_rows, step))) if step > 1 else table


def _count(column: Column, cells: Any, pa: Any) -> None:
    if pa.types.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    if column.arrow == "Date":
        cells = cells.cast(pa.string())
    for entry in cells.value_counts().to_pylist():
        value = entry["values"]
        text = "" if value is None or value != value else text_of(value)
        column.counts[text] = column.counts.get(text, 0) + entry["counts"]


_READERS: Mapping[FormatName, Callable[[Path], Sample]] = {CSV.name: _read_csv, PARQUET.name: _read_parquet}
