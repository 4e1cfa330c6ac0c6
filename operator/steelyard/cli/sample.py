"""What a CSV table's first rows tell: its columns, their kinds and gaps. Imports the api only.

A glance for writing a manifest; what counts is the trainer's own, full reading. Both go by the same rules.
"""

import csv
import gzip
import io
import math
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, TextIO

from steelyard.api.contract import Reason
from steelyard.api.errors import DataError

SAMPLE_ROWS = 20_000

# A column is one of numbers if at least this share of its cells that are not missing are numbers.
_MOSTLY_NUMBERS = 0.9
_LONGEST_CELL = 2 << 20


@dataclass(frozen=True)
class Column:
    """One column, as far as the sample shows it."""

    name: str
    kind: Literal["Number", "Category", "Empty"]
    missing: int
    """Cells without a value."""
    counts: dict[str, int]
    """Rows of each value, as it is written; missing ones left out."""
    is_whole: bool
    """Whether it is a column of numbers, all of them whole."""

    @property
    def is_identifier(self) -> bool:
        """Whether every row has another value, so that nothing can be learned from it: words or whole numbers only."""
        values = sum(self.counts.values())
        return values > 1 and len(self.counts) == values and (self.kind == "Category" or self.is_whole)


@dataclass(frozen=True)
class Sample:
    """A table's first rows."""

    columns: tuple[Column, ...]
    rows: int
    """Rows that were read."""
    all_rows: int
    """Rows of the table; estimated from its size if it has more than were read."""

    @property
    def is_whole_table(self) -> bool:
        """Whether all rows were read."""
        return self.rows == self.all_rows

    def column(self, name: str) -> Column:
        """The column of that name."""
        return next(column for column in self.columns if column.name == name)


def read_sample(path: Path, missing_numbers: Iterable[str]) -> Sample:
    """Reads up to SAMPLE_ROWS rows.

    Args:
        path: a CSV file; .tsv is tabs, .gz is compressed.
        missing_numbers: what stands for a missing cell in a column of numbers; in one of text only the empty cell does.

    Raises:
        DataError: it is not there, no CSV, or has no rows.
    """
    if not path.exists():
        raise DataError(f"there is no file {path}", reason=Reason.SOURCE_NOT_FOUND)
    if not path.is_file():
        raise DataError(f"{path} is a folder; name a CSV file", reason=Reason.SOURCE_NOT_FOUND)
    if path.name.lower().endswith((".parquet", ".pq")):
        raise DataError(f"{path} is a Parquet file; init reads CSV")
    try:
        with _open_text(path) as (text, raw):
            return _read(path, text, raw, frozenset(missing_numbers))
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a CSV file: byte {error.object[error.start]:#04x} is not UTF-8 text") from None
    except (csv.Error, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is not a CSV file: {error}") from None


@contextmanager
def _open_text(path: Path) -> Iterator[tuple[TextIO, BinaryIO]]:
    """The file as text, and its bytes below, whose position tells how much of it was read."""
    with path.open("rb") as raw:
        plain = gzip.GzipFile(fileobj=raw) if path.name.lower().endswith(".gz") else raw
        with io.TextIOWrapper(plain, encoding="utf-8-sig", newline="") as text:
            yield text, raw


def _read(path: Path, text: TextIO, raw: BinaryIO, missing_numbers: frozenset[str]) -> Sample:
    csv.field_size_limit(_LONGEST_CELL)
    name = path.name.lower().removesuffix(".gz")
    reader = csv.reader(_without_nul(path, text), delimiter="\t" if name.endswith(".tsv") else ",", strict=True)
    header = next(reader, [])
    _check_header(path, header)
    counts: list[dict[str, int]] = [{} for _ in header]
    rows = 0
    is_end = True
    for cells in reader:
        if not cells:
            continue
        if len(cells) != len(header):
            raise DataError(
                f"{path}, line {reader.line_num}: {len(cells)} cells, but the header names {len(header)} columns"
            )
        if rows == SAMPLE_ROWS:
            is_end = False
            break
        rows += 1
        for count, cell in zip(counts, cells, strict=True):
            count[cell] = count.get(cell, 0) + 1
    if not rows:
        raise DataError(f"{path} has a header but no rows")
    columns = tuple(_column(*pair, missing_numbers) for pair in zip(header, counts, strict=True))
    if is_end:
        return Sample(columns, rows, rows)
    return Sample(columns, rows, max(rows + 1, round(rows * path.stat().st_size / raw.tell())))


def _without_nul(path: Path, lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if "\0" in line:
            raise DataError(f"{path} is not a CSV file: line {number} holds a NUL byte")
        yield line


def _check_header(path: Path, header: list[str]) -> None:
    if not any(name.strip() for name in header):
        raise DataError(f"{path} is empty; a CSV file begins with a line that names the columns")
    if repeated := next((name for name in header if header.count(name) > 1), None):
        raise DataError(f"{path} has the column {repeated!r} more than once")
    if "" in header:
        raise DataError(f"{path}: column {header.index('') + 1} has no name in the header")
    if len(header) == 1:
        other = next((separator for separator in ";\t|" if separator in header[0]), None)
        hint = f"; it seems to be separated by {other!r}, but a CSV file is by commas (.tsv: by tabs)" if other else ""
        raise DataError(f"{path} has one column only, {header[0][:60]!r}, but a target and a feature are needed{hint}")


def _column(name: str, counts: dict[str, int], missing_numbers: frozenset[str]) -> Column:
    given = {cell: count for cell, count in counts.items() if cell.strip() not in missing_numbers}
    numbers = {cell: number for cell in given if (number := _number(cell)) is not None}
    if not given:
        return Column(name, "Empty", sum(counts.values()), {}, is_whole=False)
    if sum(given[cell] for cell in numbers) >= _MOSTLY_NUMBERS * sum(given.values()):
        is_whole = all(number.is_integer() for number in numbers.values())
        return Column(name, "Number", sum(counts.values()) - sum(given.values()), given, is_whole)
    words = {cell: count for cell, count in counts.items() if cell}
    return Column(name, "Category", counts.get("", 0), words, is_whole=False)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None
