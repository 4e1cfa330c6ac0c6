"""The precise CSV reader: slow, but it knows the line of everything. For headers, first rows and error messages.

Imports the standard library, steelyard.api and cells.
"""

import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from steelyard.api.errors import DataError
from steelyard.cells.csv_text import LONGEST_CELL, CsvStyle, blanked, generated_names, named, open_text
from steelyard.cells.messages import stray_word
from steelyard.cells.numbers import MINUS, MOSTLY_NUMBERS, NumberStyle
from steelyard.formats.gzipped import decompressed, header_of
from steelyard.formats.others import UTF16_MARKS
from steelyard.texts.figures import counted
from steelyard_trainer.data.source import ReadAgain


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
    """A CSV file by its path, plain or compressed by gzip."""

    path: Path
    style: CsvStyle

    def header(self) -> list[str]:
        """The names of the columns. Raises DataError where the file is empty or no CSV."""
        _, header = next(self._table())
        return header

    @property
    def has_unnamed_columns(self) -> bool:
        """Whether the first line leaves a column without a name."""
        cells = next((cells for _, cells in self._lines() if cells), [])
        is_header = self.style.header_row == 1 and not self.style.comment
        return is_header and not all(cell.strip() for cell in cells)

    def records(self) -> Iterator[Record]:
        """The rows, in order. Raises DataError for a row that has more or fewer cells than the header."""
        lines = self._table()
        _, header = next(lines)
        for row, (line, cells) in enumerate(lines):
            record = Record(row, line, cells)
            if len(cells) != len(header):
                raise DataError(
                    f"{self.path.name}, {record.where}: {counted(len(cells), 'cell')}, but the header names "
                    f"{counted(len(header), 'column')}"
                )
            yield record

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

    def _table(self) -> Iterator[tuple[int, list[str]]]:
        """(line, cells) of the header and of each row that is not empty, as the fast reader has it."""
        has_header = False
        for line, cells in self._lines():
            if has_header:
                if cells:
                    yield line, cells
                continue
            if not cells and (line < self.style.header_row or self.style.comment or not self.style.header_row):
                continue
            has_header = True
            if not self.style.header_row:
                yield 0, generated_names(len(cells))
            elif not any(cell.strip() for cell in cells):
                place = "the first line" if self.style.header_row == 1 else f"line {self.style.header_row}"
                raise DataError(f"{place} of {self.path.name} is empty; it must name the columns")
            yield line, named(cells) if self.style.header_row else cells
        if not has_header:
            raise DataError(f"{self.path.name} is empty; a CSV file begins with a line that names the columns")

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        """(line on which it begins, cells) of each row, the header and empty lines included."""
        csv.field_size_limit(LONGEST_CELL)
        with self.path.open("rb") as raw:
            # Bytes that are no text are told by their line.
            errors = "surrogateescape" if self.style.is_utf8 else "strict"
            text = open_text(decompressed(raw), self.style, errors=errors)
            reader = csv.reader(blanked(self._checked(text), self.style), delimiter=self.style.delimiter, strict=True)
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
                except UnicodeError:
                    raise DataError(
                        f"{self.path.name}, after line {reader.line_num:,}: it is not text in {self.style.encoding}, "
                        f"which dataset.csv.encoding says{self._looks_like()}"
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
        if header_of(self.path).content.startswith(UTF16_MARKS):
            return "; the file is not CSV but text in UTF-16 (say dataset.csv: {encoding: UTF-16}, or save it as UTF-8)"
        return "; a CSV file is text, in UTF-8 unless dataset.csv.encoding says otherwise, such as Windows-1252"


def fast_missing(missing: Collection[str]) -> list[str]:
    """How the fast reader is told what stands for an empty cell: some programs put a blank after every comma."""
    return sorted({blank + word for word in missing for blank in ("", " ", "  ")})


def diagnose(
    file: CsvFile, numbers: frozenset[str], style: NumberStyle, missing: frozenset[str], cause: str
) -> ReadAgain:
    """Reads the whole file to say what is wrong with it.

    Args:
        file: what the fast reader could not read.
        numbers: the columns that it read as numbers.
        style: how these are written.
        missing: what stands for an empty cell in them.
        cause: what the fast reader said, for the case that nothing is found.

    Returns:
        The columns of words: fewer than MOSTLY_NUMBERS of their cells are numbers; and those whose numbers, gaps and
        blanks the fast reader does not know.

    Raises:
        DataError: the exact place of what is wrong.
    """
    names = file.header()
    places = [index for index, name in enumerate(names) if name in numbers]
    known = frozenset(fast_missing(missing))
    given, strays = Counter[int](), Counter[int]()
    first: dict[int, tuple[Record, str]] = {}
    odd = set[str]()
    for record in file.records():
        for index in places:
            cell = record.cells[index]
            if cell in known:
                continue
            if (text := cell.strip()) in missing or text[:1] in ("+", MINUS):
                odd.add(names[index])
            if text in missing:
                continue
            given[index] += 1
            if style.parse(text) is None:
                strays[index] += 1
                first.setdefault(index, (record, text))
    for index, (record, text) in first.items():
        if given[index] - strays[index] >= MOSTLY_NUMBERS * given[index]:
            raise stray_word(
                f"{file.path.name}, {record.where}, column {names[index]!r}",
                text,
                "a number",
                f", but {given[index] - strays[index]:,} of the column's {given[index]:,} cells are",
            )
    if not first and not odd:
        raise DataError(f"{file.path.name} can't be read as CSV: {cause}")
    words = frozenset(names[index] for index in first)
    return ReadAgain(text=words, parsed=frozenset(odd) - words)
