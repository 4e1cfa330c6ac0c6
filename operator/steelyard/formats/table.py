"""The table of formats: one line for each, and the answers that all who look at a file share. Imports formats only."""

import codecs
from pathlib import Path

from steelyard.formats.base import Format, FormatName
from steelyard.formats.csv_text import CSV
from steelyard.formats.gzipped import Header, header_of
from steelyard.formats.others import kind_of
from steelyard.formats.parquet import PARQUET

FORMATS: tuple[Format, ...] = (
    CSV,
    PARQUET,
)
ENDINGS = tuple(ending for form in FORMATS for ending in form.all_endings)
"""Of the names of all tables' files."""


def format_named(name: FormatName) -> Format:
    """The format of that name."""
    return next(form for form in FORMATS if form.name == name)


def format_by_ending(name: str) -> Format | None:
    """The format that a file's name, or a URI, tells; None where it tells none."""
    return next((form for form in FORMATS if name.lower().endswith(form.all_endings)), None)


def format_by_mark(header: Header) -> Format | None:
    """The format that a file is marked with; None where it has no mark of these."""
    return next(
        (
            form
            for form in FORMATS
            if form.sniff is not None and form.sniff(header.content) and (form.may_be_gzipped or not header.is_gzipped)
        ),
        None,
    )


def detect_format(path: Path) -> Format:
    """What a table's file is: its mark says it, else its name, else it is CSV. Raises OSError."""
    return format_by_mark(header_of(path)) or format_by_ending(path.name) or CSV


def mismatch(name: FormatName, path: Path) -> tuple[str, str] | None:
    """(what a file is that is said to be of a format and is not, what to do); None where it may be what is said.

    Args:
        name: the format, given or told by the file's name.
        path: the file.

    Raises:
        OSError: it can't be read.
    """
    header, form = header_of(path), format_named(name)
    if (marked := format_by_mark(header)) is not None:
        return None if marked is form else (marked.noun, f"say dataset.format: {marked.name}")
    if form.has_mark or not header.content.removeprefix(codecs.BOM_UTF8).strip():
        # Whoever reads it sees at once that the mark is missing, or that there is nothing.
        return None
    return kind_of(header.content, path.name)
