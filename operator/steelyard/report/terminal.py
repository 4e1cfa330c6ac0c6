"""Sections as lines of a terminal: facts, texts and tables. Pure; imports the blocks only."""

from collections.abc import Callable, Sequence
from typing import Any

from steelyard.report.blocks import Facts, Section, Table, Text

COLUMNS = 80
"""The width that every terminal has."""
_INDENT = 12
"""Where what is said of a name begins; also the width that a number has at least."""
_FIRST = 14
"""The width that the first column of a table has at least."""


def terminal_lines(section: Section) -> list[str]:
    """A section, with an empty line before each block but the first; charts are left out."""
    lines: list[str] = []
    for block in section.blocks:
        if type(block) in _WRITERS:
            written = _WRITERS[type(block)](block)
            lines += ["", *written] if lines and written else written
    return lines


def _facts(facts: Facts) -> list[str]:
    lines = []
    for name, told in facts.rows:
        wrapped = [line for pieces in told for line in _wrapped(pieces)]
        for number, line in enumerate(wrapped):
            label = "" if number else name
            # One blank less, and it would not fit: what is to be copied, in one line.
            is_tight = " " not in line and _INDENT + len(line) > COLUMNS >= len(label) + 2 + len(line)
            lines.append(f"{label}  {line}" if is_tight and label else f"{label:<{_INDENT}}{line}")
    return lines


def _wrapped(pieces: Sequence[str]) -> list[str]:
    """Pieces with commas between, as many in a line as fit."""
    lines: list[str] = []
    for piece in pieces:
        if lines and len(lines[-1]) + len(", ") + len(piece) <= COLUMNS - _INDENT:
            lines[-1] += f", {piece}"
        else:
            lines.append(piece)
    return lines


def _table(table: Table) -> list[str]:
    rows = [table.header, *table.rows]
    widths = [max(len(row[column]) for row in rows) + 2 for column in range(len(table.header))]
    return ["".join(_cell(row[column], column, widths, table) for column in range(len(row))).rstrip() for row in rows]


def _cell(text: str, column: int, widths: Sequence[int], table: Table) -> str:
    if column in table.numbers:
        return f"{text:>{max(_INDENT, widths[column])}}"
    if column == 0:
        return f"{text:<{max(_FIRST, widths[column])}}"
    return f"  {text:<{widths[column] - 2}}"


_WRITERS: dict[type[Any], Callable[[Any], list[str]]] = {
    Facts: _facts,
    Table: _table,
    Text: lambda block: [block.text],
}
"""What is not here is left out."""
