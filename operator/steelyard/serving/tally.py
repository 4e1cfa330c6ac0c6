"""What had to be done to cells before a model could take them, column by column. Imports the standard library only."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

MOST_EXAMPLES = 3


@dataclass
class Found:
    """Cells of one column to which the same was done."""

    count: int = 0
    first_row: int = 0
    """The number of the row with the first of them; rows count from 1."""
    examples: list[str] = field(default_factory=list)
    """Up to MOST_EXAMPLES different words, in the order of the rows; none of what was filled."""
    has_more: bool = False
    """Whether there are other words than those."""

    def add(self, rows: Iterable[int], words: Iterable[str] = ()) -> None:
        """Counts cells.

        Args:
            rows: their numbers, ascending.
            words: what stands in them.
        """
        for row in rows:
            self.first_row = self.first_row or row
            self.count += 1
        for word in words:
            if word in self.examples:
                continue
            if len(self.examples) == MOST_EXAMPLES:
                self.has_more = True
                break
            self.examples.append(word)


@dataclass
class Tally:
    """What `Preprocessing.transform` did to the cells of all tables that it was called with."""

    filled: dict[str, Found] = field(default_factory=dict)
    """By column: cells that were missing, for which the model takes what training learned to put there, or which it
    takes as gaps."""
    unknown: dict[str, Found] = field(default_factory=dict)
    """By column: words that training has not seen, of which the model knows nothing."""

    def fill(self, column: str, rows: Iterable[int]) -> None:
        """Counts cells that were missing; `rows` are their numbers."""
        self.filled.setdefault(column, Found()).add(rows)

    def not_known(self, column: str, rows: Iterable[int], words: Iterable[str]) -> None:
        """Counts words that training has not seen; `rows` are their numbers."""
        self.unknown.setdefault(column, Found()).add(rows, words)

    @property
    def is_empty(self) -> bool:
        """Whether nothing had to be done."""
        return not self.filled and not self.unknown

    def to_json(self) -> dict[str, Any]:
        """JSON values: of each column the counts that are not 0, and examples of the unknown words."""
        document: dict[str, Any] = {}
        for column, found in self.filled.items():
            document.setdefault(column, {})["filled"] = found.count
        for column, found in self.unknown.items():
            document.setdefault(column, {}).update(unknown=found.count, examples=found.examples)
        return document
