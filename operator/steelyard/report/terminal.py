"""Sections as lines of a terminal: facts, texts, lists and tables. Pure; imports the blocks, the charts that are
tables as well, and texts."""

import textwrap
from collections.abc import Sequence

from steelyard.report.blocks import Block, Bullets, Code, Facts, Folded, Heading, Report, Section, Table, Text, Warn
from steelyard.report.chart_data import Bars, Matrix, Parallel, Plot, Quantiles
from steelyard.report.tables import bars_table, matrix_table, quantiles_table
from steelyard.texts.printable import printable

COLUMNS = 80
"""The width that every terminal has."""
_INDENT = 12
"""Where what is said of a name begins."""
_LEAST_NAME, _LEAST_NUMBER = 14, 10
"""The widths that the first column and those of numbers have at least in a table of numbers below facts."""
_LEAST_TEXT = 24
"""Characters that a column of texts must have, so that its lines are worth reading."""
_GAP = 2


def terminal_lines(section: Section, width: int | None = None) -> list[str]:
    """A section, with an empty line between its blocks but for that below a heading. A chart that is no table as well
    is named.

    Args:
        section: it.
        width: characters of the terminal. What is longer goes on in another line, between words, and a table that is
            too wide is shown in parts. None: everything in the line that it belongs to, for a pipe or a file.
    """
    has_facts = any(isinstance(block, Facts) for block in section.blocks)
    lines = [section.title.upper()] if section.title else []
    is_apart = False
    for block in section.blocks:
        written = _written(block, width, has_facts)
        lines += ["", *written] if is_apart and written else written
        is_apart = bool(lines) and not isinstance(block, Heading)
    return [printable(line) for line in lines]


def terminal_text(report: Report, width: int | None = None) -> str:
    """A document; see `terminal_lines`."""
    figures = Table(("", ""), tuple((each.value, each.what) for each in report.figures), frozenset({0}))
    begin = Section("", (Heading(report.title), Text(report.text), figures))
    parts = (terminal_lines(section, width) for section in (begin, *report.sections))
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def _written(block: Block, width: int | None, is_below_facts: bool) -> list[str]:
    match block:
        case Facts():
            return _facts(block, width)
        case Table():
            return _table(block, width, is_below_facts)
        case Text(text=text) | Heading(text=text):
            return [part for line in text.split("\n") for part in _wrapped(line, width, "\n" in text)]
        case Warn(label=label, text=text):
            return _wrapped(f"{label}: {text}", width, False)
        case Bullets(items=items):
            return [part for item in items for part in _wrapped(f"- {item}", width, True)]
        case Code(text=text):
            return [f"  {line}" for line in text.split("\n")]
        case Matrix():
            return _table(matrix_table(block), width, False)
        case Quantiles():
            return _table(quantiles_table(block), width, False)
        case Bars():
            return _table(bars_table(block), width, False)
        case Plot(label=label) | Parallel(label=label):
            return _wrapped(f"[chart: {label}]", width, False)
        case Folded():
            return []


def _wrapped(line: str, width: int | None, is_item: bool) -> list[str]:
    """A line as lines that end between words; of an item those that follow begin two blanks further in."""
    indent = " " * (len(line) - len(line.lstrip()) + 2) if is_item else ""
    return [line] if width is None or len(line) <= width else _broken(line, width, indent)


def _broken(text: str, width: int, indent: str = "") -> list[str]:
    # A path or a digest stays whole, so that it can be copied.
    return textwrap.wrap(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, replace_whitespace=False
    )


def _facts(facts: Facts, width: int | None) -> list[str]:
    lines = []
    for name, told in facts.rows:
        joined = [line for pieces in told for line in _joined(pieces)]
        if width is not None:
            joined = [part for line in joined for part in _broken(line, max(width - _INDENT, _LEAST_TEXT))]
        for number, line in enumerate(joined):
            label = "" if number else name
            # One blank less, and it would not fit: what is to be copied, in one line.
            is_tight = " " not in line and _INDENT + len(line) > COLUMNS >= len(label) + _GAP + len(line)
            lines.append(f"{label}  {line}" if is_tight and label else f"{label:<{_INDENT}}{line}")
    return lines


def _joined(pieces: Sequence[str]) -> list[str]:
    """Pieces with commas between, as many in a line as fit."""
    lines: list[str] = []
    for piece in pieces:
        if lines and len(lines[-1]) + len(", ") + len(piece) <= COLUMNS - _INDENT:
            lines[-1] += f", {piece}"
        else:
            lines.append(piece)
    return lines


def _table(table: Table, width: int | None, is_below_facts: bool) -> list[str]:
    columns = range(len(table.header))
    widths = [max(len(row[column]) for row in (table.header, *table.rows)) for column in columns]
    if is_below_facts and table.numbers:
        widths = [
            max(each, _LEAST_NAME if column == 0 else _LEAST_NUMBER if column in table.numbers else 0)
            for column, each in enumerate(widths)
        ]
    if width is None or _total(widths) <= width:
        return _rows(table, columns, widths)
    parts = [list(columns)] if _can_be_narrowed(table, columns, widths, width) else _parts(widths, width)
    lines: list[str] = []
    for part in parts:
        fitted = [*widths]
        if _can_be_narrowed(table, part, widths, width):
            fitted[part[-1]] = _room_for_last(part, widths, width)
        lines += [*([""] if lines else []), *_rows(table, part, fitted)]
    return lines


def _can_be_narrowed(table: Table, columns: Sequence[int], widths: Sequence[int], width: int) -> bool:
    """Whether the columns fit where the last one's texts go on below themselves."""
    room, last = _room_for_last(columns, widths, width), columns[-1]
    return last not in table.numbers and _LEAST_TEXT <= room < widths[last]


def _room_for_last(columns: Sequence[int], widths: Sequence[int], width: int) -> int:
    return width - _total([*(widths[column] for column in columns[:-1]), 0])


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _parts(widths: Sequence[int], width: int) -> list[list[int]]:
    """The columns in parts that fit, each of which begins with the first."""
    parts = [[0]]
    for column in range(1, len(widths)):
        if len(parts[-1]) > 1 and _total([widths[each] for each in (*parts[-1], column)]) > width:
            parts.append([0])
        parts[-1].append(column)
    return parts


def _rows(table: Table, columns: Sequence[int], widths: Sequence[int]) -> list[str]:
    """The header and the rows. A text in the last column that is longer than that goes on below itself."""
    lines = []
    for row in (table.header, *table.rows) if any(table.header) else table.rows:
        cells = [_cell(row[column], widths[column], column in table.numbers) for column in columns[:-1]]
        begin = "".join(cell + " " * _GAP for cell in cells)
        last = columns[-1]
        if last in table.numbers:
            lines.append(begin + _cell(row[last], widths[last], True))
            continue
        first, *more = _broken(row[last], widths[last]) if len(row[last]) > widths[last] else [row[last]]
        lines += [(begin + first).rstrip(), *(" " * len(begin) + part for part in more)]
    return lines


def _cell(text: str, width: int, is_number: bool) -> str:
    return text.rjust(width) if is_number else text.ljust(width)
