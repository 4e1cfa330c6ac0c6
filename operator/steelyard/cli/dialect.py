"""How a CSV file of unknown origin is written: encoding, delimiter, header, comments. Imports cells, formats only."""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import IO

from steelyard.cells.csv_text import CsvStyle, blanked
from steelyard.cells.missing import is_missing
from steelyard.cells.numbers import finite_number
from steelyard.formats.others import UTF16_MARKS

_DELIMITERS = (",", ";", "\t", "|")
_LOOKED_AT = 200
_HEAD_CHARACTERS = 1 << 20
_CHUNK = 1 << 20
_SCANNED = 512 << 20
# Bytes that no text of Windows-1252 has.
_NOT_WINDOWS = frozenset(b"\x81\x8d\x8f\x90\x9d")


@dataclass(frozen=True)
class Dialect:
    """How a file is written, and what of it must be said in a manifest."""

    style: CsvStyle
    said: dict[str, str | int]
    """Fields of `dataset.csv` that differ from what the file's name says."""


def dialect_of(name: str, file: IO[bytes]) -> Dialect:
    """Looks at a file.

    Args:
        name: its name; .tsv says tabs.
        file: its (uncompressed) bytes; read from the start.

    Raises:
        OSError, EOFError, zlib.error: it can't be read.
    """
    usual = CsvStyle.of(name)
    style = replace(usual, encoding=_encoding(file))
    lines = _first_lines(file, style)
    style = _of_lines(lines, style)
    fields: dict[str, tuple[str | int | None, str | int | None]] = {
        "delimiter": (style.delimiter, usual.delimiter),
        "encoding": (style.encoding, usual.encoding),
        "headerRow": (style.header_row, usual.header_row),
        "comment": (style.comment, usual.comment),
    }
    said = {field: found for field, (found, default) in fields.items() if found != default and found is not None}
    return Dialect(style, said)


def _encoding(file: IO[bytes]) -> str:
    """UTF-8 where all bytes are; else what most other files are."""
    file.seek(0)
    head = file.read(_CHUNK)
    if head.startswith(UTF16_MARKS):
        return "UTF-16"
    if head[1::2].count(0) > len(head) // 4 and not head[::2].count(0):
        return "UTF-16"
    decoder = codecs.getincrementaldecoder("utf-8")()
    seen, read = Counter[int](), 0
    is_utf8, chunk = True, head
    while chunk and read < _SCANNED:
        read += len(chunk)
        if is_utf8:
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError:
                is_utf8 = False
        if not is_utf8:
            seen.update(byte for byte in _NOT_WINDOWS if byte in chunk)
        chunk = file.read(_CHUNK)
    if is_utf8:
        return "UTF-8"
    return "ISO-8859-1" if seen else "Windows-1252"


def _first_lines(file: IO[bytes], style: CsvStyle) -> list[str]:
    file.seek(0)
    encoding = "utf-8-sig" if style.is_utf8 else style.encoding
    reader = codecs.getreader(encoding)(file, "replace")
    try:
        head = reader.read(_HEAD_CHARACTERS, _HEAD_CHARACTERS)
    except UnicodeError:
        # UTF-16 without its mark: whoever reads it all says so.
        return []
    return io.StringIO(head, newline="").readlines()[: 10 * _LOOKED_AT]


def _of_lines(lines: Sequence[str], style: CsvStyle) -> CsvStyle:
    comment = _comment(lines, style)
    style = replace(style, comment=comment)
    best, best_score = style, (0.0, 0)
    for delimiter in dict.fromkeys((style.delimiter, *_DELIMITERS)):
        tried = replace(style, delimiter=delimiter)
        widths = Counter(len(cells) for _, cells in _cells(lines, tried))
        if not widths:
            continue
        width, count = max(widths.items(), key=lambda item: (item[0] > 1, item[1]))
        score = (round(count / widths.total(), 2), width) if width > 1 else (0.0, 0)
        # A mark that the file's name does not say must part the cells better, not as well.
        if score > best_score and (not best_score[1] or score[0] > best_score[0] or best_score[1] * 2 <= width):
            best, best_score = tried, score
    return _with_header(lines, best, best_score[1])


def _comment(lines: Sequence[str], style: CsvStyle) -> str | None:
    """ "#" where lines begin with it that are no rows: another number of delimiters than the lines below have."""
    marked = [line for line in lines if line.startswith("#")]
    others = [line for line in lines if line.strip() and not line.startswith("#")]
    if not marked or not others:
        return None
    marks = max(_DELIMITERS, key=lambda mark: min(line.count(mark) for line in others[:20]))
    usual = others[-1].count(marks)
    # A single line with as many cells as the rows is a header that begins so.
    is_header = len(marked) == 1 and lines[0] == marked[0] and marked[0].count(marks) == usual
    return None if is_header or style.comment else "#"


def _with_header(lines: Sequence[str], style: CsvStyle, width: int) -> CsvStyle:
    """Where the header is: the first line with as many cells as the rows have; or nowhere."""
    if width < 2:
        return style
    found = [(line, cells) for line, cells in _cells(lines, style) if len(cells) == width]
    first_line, header = found[0]
    rows = [cells for _, cells in found[1:]]
    begin, above = _cells(lines, style)[0]
    if len(above) == width - 1 and width > 2 and not any(cells[-1].strip() for _, cells in found):
        # A delimiter at the end of every row but the header's makes no title of that: whoever reads the rows says it.
        return style
    if rows and has_no_header(header, rows):
        return replace(style, header_row=0)
    # Two titles above a table are lines to pass over; a ragged table is the user's to mend.
    is_above = first_line > begin and first_line <= 1 + len(lines) // 2
    return replace(style, header_row=first_line) if is_above else style


def has_no_header(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether what stands where the names should be is a row like the others.

    So where every column of numbers begins with a number, and those of words with a word that comes again; or, where
    all are numbers, one of them with a fraction.
    """
    numeric = [_is_numeric([row[index] for row in rows]) for index in range(len(header))]
    if not any(numeric):
        return False
    if not all(_is_number(cell) for cell, is_numeric in zip(header, numeric, strict=True) if is_numeric):
        return False
    words = [index for index, is_numeric in enumerate(numeric) if not is_numeric]
    if words:
        again = [any(row[index] == header[index] for row in rows) for index in words]
        return any(again) and not any(cell.strip() == "" for cell in header)
    return any("." in cell for cell in header) or len(set(header)) < len(header)


def _is_numeric(cells: Sequence[str]) -> bool:
    given = [cell for cell in cells if not is_missing(cell)]
    return bool(given) and sum(map(_is_number, given)) >= 0.9 * len(given)


def _is_number(cell: str) -> bool:
    return finite_number(cell.strip().replace(",", ".")) is not None


def _cells(lines: Sequence[str], style: CsvStyle) -> list[tuple[int, list[str]]]:
    """(line, cells) of the first records, as far as they can be read."""
    reader = csv.reader(blanked(lines, replace(style, header_row=1)), delimiter=style.delimiter)
    found: list[tuple[int, list[str]]] = []
    try:
        line = 1
        for cells in reader:
            if cells:
                found.append((line, cells))
            line = reader.line_num + 1
            if len(found) == _LOOKED_AT:
                break
    except csv.Error:
        # What can't be read so is said by whoever reads it all.
        pass
    return found
