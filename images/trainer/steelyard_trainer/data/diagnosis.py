"""The precise CSV reader: slow, but it knows the line of everything. For headers, first rows and error messages.

Imports the standard library and steelyard.api.
"""

import csv
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, NoReturn, cast

from steelyard.api.errors import DataError
from steelyard.cells.numbers import MOSTLY_NUMBERS, is_number
from steelyard_trainer.data.words import MISSING_NUMBER_CELLS, shortened

# How files begin that are given as CSV by mistake.
_SIGNATURES = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"PK\x03\x04": "a ZIP archive (an Excel workbook is one; save it as CSV)",
    b"PAR1": "a Parquet file (say dataset.format: Parquet)",
    b"\x1f\x8b": "compressed by gzip (let its name end in .csv.gz)",
    b"%PDF": "a PDF document",
    b"\xff\xfe": "text in UTF-16 (save it as UTF-8)",
    b"\xfe\xff": "text in UTF-16 (save it as UTF-8)",
}
_LONGEST_CELL = 2 << 20


@dataclass(frozen=True)
class Record:
    """One row of the table."""

    row: int
    """From 0, the header not counted."""
    line: int
    """The line of the file on which it begins, from 1."""
    cells: list[str]

    @property
    def where(self) -> str:
        """What to call it in an error."""
        return f"row {self.row + 1:,} (line {self.line:,})"


@dataclass(frozen=True)
class CsvFile:
    """A CSV file by its path; its name says whether tabs separate the cells and whether gzip compressed it."""

    path: Path

    @property
    def delimiter(self) -> str:
        """A tab for .tsv, else a comma."""
        return "\t" if self.path.name.lower().removesuffix(".gz").endswith(".tsv") else ","

    def decompressed(self, raw: BinaryIO) -> BinaryIO:
        """The file's text as bytes."""
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if self.path.name.lower().endswith(".gz") else raw

    def header(self) -> list[str]:
        """The names of the columns. Raises DataError where the file is empty or no CSV."""
        for _, cells in self._lines():
            if not any(cell.strip() for cell in cells):
                raise DataError(f"the first line of {self.path.name} is empty; it must name the columns")
            return cells
        raise DataError(f"{self.path.name} is empty; a CSV file begins with a line that names the columns")

    def records(self) -> Iterator[Record]:
        """The rows, in order. Raises DataError for a row that has more or fewer cells than the header."""
        lines = self._lines()
        _, header = next(lines)
        row = 0
        for line, cells in lines:
            # The fast reader skips empty lines too.
            if not cells:
                continue
            record = Record(row, line, cells)
            if len(cells) != len(header):
                raise DataError(
                    f"{self.path.name}, {record.where}: {len(cells)} cells, but the header names {len(header)} columns"
                )
            yield record
            row += 1

    def where(self, row: int) -> str:
        """What to call a row (from 0) in an error."""
        return next((record.where for record in self.records() if record.row == row), f"row {row + 1:,}")

    def check_quotes(self) -> None:
        """Raises DataError where a quote is opened and never closed, or not where the CSV format has it."""
        for _ in self.records():
            pass

    def refuse_nul(self) -> NoReturn:
        """Raises DataError for a file that holds NUL bytes, with the line where it can be told."""
        for _ in self._lines():
            pass
        raise DataError(f"{self.path.name} holds NUL bytes, so it is not a text file; CSV is")

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        """(line on which it begins, cells) of each row, the header and empty lines included."""
        csv.field_size_limit(_LONGEST_CELL)
        with self.path.open("rb") as raw:
            text = io.TextIOWrapper(
                cast(IO[bytes], self.decompressed(raw)), encoding="utf-8-sig", errors="surrogateescape", newline=""
            )
            reader = csv.reader(self._checked(text), delimiter=self.delimiter, strict=True)
            while True:
                begin = reader.line_num + 1
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    raise DataError(
                        f'{self.path.name}, line {begin:,}: {error}; is a quote (") opened that is not closed?'
                    ) from None
                except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                    raise DataError(f"{self.path.name} is not a whole gzip file: {error}") from None
                yield begin, cells

    def _checked(self, lines: Iterable[str]) -> Iterator[str]:
        """The lines, if they are text."""
        for number, line in enumerate(lines, start=1):
            if "\0" in line:
                raise DataError(f"{self.path.name}, line {number:,}: it holds a NUL byte{self._looks_like()}")
            if not line.isascii():
                try:
                    line.encode()
                except UnicodeEncodeError:
                    raise DataError(
                        f"{self.path.name}, line {number:,}: it is not text in UTF-8{self._looks_like()}"
                    ) from None
            yield line

    def _looks_like(self) -> str:
        with self.path.open("rb") as raw:
            start = raw.read(8)
        kind = next((name for signature, name in _SIGNATURES.items() if start.startswith(signature)), None)
        return f"; the file is not CSV but {kind}" if kind else "; a CSV file is text in UTF-8"


def diagnose(file: CsvFile, numbers: frozenset[str], cause: str) -> frozenset[str]:
    """Reads the whole file to say what is wrong with it.

    Args:
        file: what the fast reader could not read.
        numbers: the columns that were read as numbers.
        cause: what the fast reader said, for the case that nothing is found.

    Returns:
        The columns that must be read as text: fewer than MOSTLY_NUMBERS of their cells are numbers.

    Raises:
        DataError: the exact place of what is wrong.
    """
    names = file.header()
    places = [index for index, name in enumerate(names) if name in numbers]
    given, strays = Counter[int](), Counter[int]()
    first: dict[int, tuple[Record, str]] = {}
    for record in file.records():
        for index in places:
            if (cell := record.cells[index]) not in MISSING_NUMBER_CELLS:
                given[index] += 1
                if not is_number(cell):
                    strays[index] += 1
                    first.setdefault(index, (record, cell))
    for index, (record, cell) in first.items():
        if given[index] - strays[index] >= MOSTLY_NUMBERS * given[index]:
            raise DataError(
                f"{file.path.name}, {record.where}, column {names[index]!r}: {shortened(cell)} is not a number, but "
                f"{given[index] - strays[index]:,} of the column's {given[index]:,} cells are; mend the cell (leave it "
                "empty if the number is not known), or list the column under dataset.categorical if it holds names"
            )
    if not first:
        raise DataError(f"{file.path.name} can't be read as CSV: {cause}")
    return frozenset(names[index] for index in first)
