"""From the bytes of a CSV file to its records, as the manifest says that it is written. Imports the standard library.

All that read CSV row by row (init, validate, predict, the stage prepare's precise reader) read it here.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

LONGEST_CELL = 2 << 20
_UTF8 = "UTF-8"


@dataclass(frozen=True)
class CsvStyle:
    """How a CSV file is written, beside its numbers."""

    delimiter: str = ","
    encoding: str = _UTF8
    header_row: int = 1
    """The line that names the columns, from 1; 0: none does, they are column1, column2 ..."""
    comment: str | None = None
    """What a line that is not read begins with."""

    @classmethod
    def of(
        cls,
        file_name: str,
        *,
        delimiter: str | None = None,
        encoding: str | None = None,
        header_row: int | None = None,
        comment: str | None = None,
    ) -> "CsvStyle":
        """What is said, else what the file's name says: .tsv is separated by tabs, other files by commas."""
        is_tsv = file_name.lower().removesuffix(".gz").endswith(".tsv")
        return cls(
            delimiter=delimiter or ("\t" if is_tsv else ","),
            encoding=encoding or _UTF8,
            header_row=1 if header_row is None else header_row,
            comment=comment,
        )

    @property
    def is_utf8(self) -> bool:
        """Whether the bytes need no transcoding."""
        return self.encoding == _UTF8

    @property
    def skips_lines(self) -> bool:
        """Whether some lines are not read."""
        return self.header_row > 1 or self.comment is not None

    def to_json(self) -> dict[str, Any]:
        """JSON values from which `from_json` makes an equal object."""
        return {
            "delimiter": self.delimiter,
            "encoding": self.encoding,
            "headerRow": self.header_row,
            "comment": self.comment,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "CsvStyle":
        """Raises KeyError where the document is not one of `to_json`."""
        return cls(document["delimiter"], document["encoding"], document["headerRow"], document["comment"])


def open_text(content: IO[bytes], style: CsvStyle, *, errors: str = "strict") -> io.TextIOWrapper:
    """A file's (uncompressed) bytes as text, without a byte order mark, line ends as they are."""
    encoding = "utf-8-sig" if style.is_utf8 else style.encoding
    return io.TextIOWrapper(content, encoding=encoding, errors=errors, newline="")


def no_text(error: UnicodeError, style: CsvStyle) -> str:
    """Why bytes are no text in the encoding, as the rest of a sentence that begins with the file's name and a colon."""
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.object[error.start]:#04x} is not {style.encoding} text"
    return f"it is not text in {style.encoding}, or lacks the mark that such text begins with (save it as UTF-8)"


def blanked(lines: Iterable[str], style: CsvStyle) -> Iterator[str]:
    """The lines, with an empty one in place of each that is not read, so that line numbers stay what they are.

    A line within a quoted cell is part of the cell, whatever it begins with.
    """
    is_quoted = False
    for number, line in enumerate(lines, start=1):
        if number < style.header_row or (style.comment and not is_quoted and line.startswith(style.comment)):
            yield "\n"
            continue
        if line.count('"') % 2:
            is_quoted = not is_quoted
        yield line


def records(lines: Iterable[str], style: CsvStyle) -> Iterator[tuple[int, list[str]]]:
    """(the line on which it begins, from 1; the cells) of the header and of every row that is not empty.

    Args:
        lines: the file's text, line by line; a mark of the byte order taken off.
        style: how it is written.

    Raises:
        csv.Error: a quote is not closed, or not where RFC 4180 has it, or a cell is longer than LONGEST_CELL.
        UnicodeDecodeError: as the lines raise it.
    """
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(blanked(lines, style), delimiter=style.delimiter, strict=True)
    is_first = True
    while True:
        begin = reader.line_num + 1
        cells = next(reader, None)
        if cells is None:
            return
        if not cells:
            continue
        if is_first and not style.header_row:
            yield 0, generated_names(len(cells))
        yield begin, named(cells) if is_first and style.header_row else cells
        is_first = False


def generated_names(count: int) -> list[str]:
    """The columns' names in a table without a header."""
    return [f"column{number}" for number in range(1, count + 1)]


def named(header: list[str]) -> list[str]:
    """The header with a name for each column: R and pandas leave that of the rows' numbers empty; it is column1."""
    if not any(name.strip() for name in header):
        return header
    return [name if name.strip() else f"column{number}" for number, name in enumerate(header, start=1)]
