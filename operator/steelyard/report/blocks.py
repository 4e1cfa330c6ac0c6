"""What a report consists of: sections of texts, tables and charts, as data. Imports the charts' data only.

A text may hold `words` between backquotes, which are shown as they are: `code` puts a user's own words there.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from steelyard.report.chart_data import Chart


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Warn:
    """A paragraph that must not be overlooked."""

    label: str
    """What it is, such as Doubtful."""
    text: str


@dataclass(frozen=True)
class Heading:
    """What a part of a section is about."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Code:
    """Lines to copy or to read as they are."""

    text: str
    language: str = ""


@dataclass(frozen=True)
class Table:
    """A table; its cells are texts."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()
    """The columns that stand at the right, from 0."""
    chosen: int | None = None
    """The row that stands out, from 0."""


@dataclass(frozen=True)
class Facts:
    """What is known, name by name."""

    rows: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]
    """(name, lines): a line is of pieces with commas between, none of which is broken in two."""


@dataclass(frozen=True)
class Folded:
    """What only some want to read: closed where a page can be opened, left out of Markdown."""

    title: str
    block: Table | Code


Block: TypeAlias = Text | Warn | Heading | Bullets | Code | Table | Facts | Folded | Chart


@dataclass(frozen=True)
class Section:
    """One thing that is told."""

    title: str
    """Empty for what stands before the first title."""
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Figure:
    """A figure that stands out."""

    value: str
    what: str
    """What it is."""


@dataclass(frozen=True)
class Report:
    """All that is told of something."""

    title: str
    text: str
    """What is said first."""
    figures: tuple[Figure, ...]
    sections: tuple[Section, ...]


def code(text: str) -> str:
    """A user's own words, which no renderer must read."""
    return "`" + " ".join(text.replace("`", "'").split()) + "`"


FEW_COLUMNS = 16
"""How many columns of a table are named where it has many: enough to see what kind of names they are."""


def listed(words: Iterable[str], limit: int = 30) -> str:
    """Users' words with commas between; of many the first."""
    given = list(words)
    more = f" and {len(given) - limit} more" if len(given) > limit else ""
    return ", ".join(map(code, given[:limit])) + more
