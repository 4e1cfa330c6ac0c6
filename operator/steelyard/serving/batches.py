"""Tables as prediction reads them: batches of rows, by column. Imports the api only."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from steelyard.api.errors import DataError

BATCH_ROWS = 1024

Cell: TypeAlias = object
"""Text, or of a Parquet file a value of Python; None where it is null."""


@dataclass(frozen=True)
class Batch:
    """Some rows that follow each other."""

    first_row: int
    """The number of the first of them; the file's first row under the header is 1."""
    rows: int
    table: dict[str, Sequence[Cell]]
    """The cells by column, of the columns that were asked for and are there."""


class Rows(Protocol):
    """A table that can be read as often as needed."""

    @property
    def name(self) -> str:
        """What errors call it."""
        ...

    def header(self) -> list[str]:
        """The names of the columns. Raises DataError where there are none, or one is there twice."""
        ...

    def batches(self, columns: Collection[str]) -> Iterator[Batch]:
        """The rows in order.

        Args:
            columns: which columns are wanted; those that the table lacks are left out.

        Raises:
            DataError: the table can't be read on.
        """
        ...


def check_header(names: Sequence[str], source: str) -> None:
    """Raises DataError where a column is there twice."""
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{source} has the column {name!r} twice")
