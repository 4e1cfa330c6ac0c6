"""What a table's first rows show that the stage prepare will refuse: the same rules, by the package for cells.

Imports cells and the api.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from steelyard.api.dataset import Dataset
from steelyard.cells.arrow_types import Kind
from steelyard.cells.column import doubtful_numbers, meaning_of
from steelyard.cells.csv_text import CsvStyle, open_text, records
from steelyard.cells.dates import parse_date
from steelyard.cells.manifest import column_style, missing_labels, missing_numbers, missing_words
from steelyard.cells.messages import doubt, stray_word
from steelyard.local.first_cells import Frame, no_features

_ROWS = 5000
_CHARACTERS = 1 << 20


@dataclass(frozen=True)
class FirstRows:
    """The header and the first rows of a table."""

    header: list[str]
    rows: list[list[str]]
    ragged: tuple[int, int] | None
    """(row from 1, cells) of the first row that has not as many cells as the header."""

    @classmethod
    def read(cls, file: IO[bytes], style: CsvStyle) -> "FirstRows":
        """Reads up to 5,000 rows or a million characters.

        Raises:
            csv.Error, UnicodeError, OSError, EOFError, zlib.error: the file can't be read so.
        """
        found = records(open_text(file, style), style)
        _, header = next(found, (0, []))
        rows: list[list[str]] = []
        characters = 0
        for _, cells in found:
            if len(cells) != len(header):
                return cls(header, rows or [cells], (len(rows) + 1, len(cells)))
            rows.append(cells)
            characters += sum(map(len, cells))
            if len(rows) == _ROWS or characters >= _CHARACTERS:
                break
        return cls(header, rows, None)

    def column(self, name: str) -> list[str]:
        """The cells of a column, without blanks around."""
        index = self.header.index(name)
        return [cells[index].strip() for cells in self.rows]

    def kind(self, name: str) -> Kind:  # noqa: ARG002 - as that of a Frame
        """All is text in a CSV file."""
        return "Text"


def cell_problems(dataset: Dataset, head: FirstRows | Frame) -> Iterator[tuple[str, str]]:
    """(the field that could mend it, what is wrong) of each column whose first cells prepare will refuse."""
    gaps = {}
    for name in head.header:
        cells = head.column(name)
        if name == dataset.target:
            if dataset.missing_values.target == "Fail" and (row := _first_missing_target(dataset, cells)) is not None:
                yield (
                    "missingValues.target",
                    f"row {row:,}: the target '{name}' is missing; fill it in, or leave such rows out with "
                    "missingValues.target: DropRow",
                )
        elif name not in no_features(dataset):
            column = _Column.of(dataset, name, cells, head.kind(name))
            if column.problem:
                yield column.field, column.problem
            if column.first_gap is not None:
                gaps[name] = column.first_gap
    if gaps and dataset.missing_values.strategy == "Fail":
        columns = ", ".join(f"'{name}' (first in row {row:,})" for name, row in list(gaps.items())[:20])
        yield (
            "missingValues.strategy",
            f"cells are empty in {columns}; fill them in, or choose what becomes of them (Constant, Mean, Median or "
            "DropRow)",
        )


def _first_missing_target(dataset: Dataset, cells: list[str]) -> int | None:
    """The first row (from 1) without a target: among labels "NA" and "None" are words."""
    numbers, labels = missing_numbers(dataset), missing_labels(dataset)
    style = column_style(dataset, dataset.target)
    is_number = all(cell in numbers or style.parse(cell) is not None for cell in cells)
    empty = numbers if is_number else labels
    return next((row for row, cell in enumerate(cells, start=1) if cell in empty), None)


@dataclass(frozen=True)
class _Column:
    """A feature's first cells."""

    field: str
    problem: str
    first_gap: int | None

    @classmethod
    def of(cls, dataset: Dataset, name: str, cells: list[str], typed: Kind) -> "_Column":
        style, empty = column_style(dataset, name), missing_numbers(dataset)
        is_parsed = name in dataset.numbers or (name in dataset.dates and typed != "Date")
        if typed != "Text" and not is_parsed:
            # Its type says what its cells are, so that none is a stray one.
            empty = missing_words(dataset) if typed == "Words" or name in dataset.categorical else empty
            return cls("", "", next((row for row, cell in enumerate(cells, start=1) if cell in empty), None))
        counts: dict[str, int] = {}
        for cell in cells:
            counts[cell] = counts.get(cell, 0) + 1
        kind, form = meaning_of(counts, style, empty).kind, "ISO8601"
        if name in dataset.categorical:
            kind = "Category"
        elif name in dataset.numbers:
            kind = "Number"
        elif name in dataset.dates:
            kind, form = "Date", dataset.dates[name]
        if kind in ("Category", "Empty"):
            words = missing_words(dataset) if kind == "Category" else empty
            guess = None if kind == "Empty" or name in dataset.categorical else doubtful_numbers(counts, empty)
            gap = next((row for row, cell in enumerate(cells, start=1) if cell in words), None)
            return cls("numbers", doubt(name, guess) if guess else "", gap)
        gap = next((row for row, cell in enumerate(cells, start=1) if cell in empty), None)
        for row, cell in enumerate(cells, start=1):
            read = style.parse(cell) if kind == "Number" else parse_date(cell, form)
            if cell not in empty and read is None:
                what = "a number" if kind == "Number" else f"a date of the form {form}"
                return cls("missingMarkers", stray_word(f"row {row:,}, column {name!r}", cell, what, "").message, gap)
        return cls("", "", gap)
