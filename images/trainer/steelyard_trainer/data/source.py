"""What a table is read from: the interface of all sources. Imports pyarrow."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import pyarrow as pa

from steelyard_trainer.data.feature_columns import Column

BATCH_BYTES = 16 << 20
"""About how much of a table is worked on at a time: large enough that the work per column does not count, small
against the memory that is allowed."""


class Source(ABC):
    """A table that can be read from start to end, in bounded memory."""

    def __init__(self, name: str, features: Sequence[Column], target: str, dealt_by: str | None = None) -> None:
        self.name = name
        self.features = tuple(features)
        self.target = target
        self.dealt_by = dealt_by
        """The column that deals the rows out (`dataset.split`), where there is one."""

    @property
    def read_columns(self) -> list[str]:
        """The names of the columns of a batch: features, target, and what deals the rows out."""
        return [*(column.name for column in self.features), self.target, *([self.dealt_by] if self.dealt_by else [])]

    @abstractmethod
    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in order: the features in order, of their `read_type`, then the target as string, then, where there
        is one, the column that deals the rows out as string; missing is null."""

    @property
    @abstractmethod
    def estimated_rows(self) -> int:
        """How many rows there are, as far as that is known by now."""

    @property
    def first_rows(self) -> int | None:
        """How many rows come before those of a test file, when all were read; None where there is no such file."""
        return None

    def where(self, row: int) -> str:
        """What to call a row (from 0) in an error."""
        return f"row {row + 1:,}"

    left_out: tuple[str, ...] = ()
    """Columns that are no features though the manifest does not say so: pandas' saved index."""

    def check_whole(self, name: str) -> None:  # noqa: B027 - most sources know the types of their columns
        """Raises DataError where a column that is read as float64 has whole numbers that this does not hold."""


class ReadAgain(Exception):  # noqa: N818 - not an error
    """The source must be read again: columns are not what their first cells said."""

    def __init__(self, *, text: frozenset[str] = frozenset(), parsed: frozenset[str] = frozenset()) -> None:
        super().__init__(", ".join(sorted(text | parsed)))
        self.text = text
        """Columns of words."""
        self.parsed = parsed
        """Columns of numbers whose texts must be read one by one."""

    def __or__(self, other: "ReadAgain") -> "ReadAgain":
        # What was found to be words stays so.
        text = self.text | other.text
        return ReadAgain(text=text, parsed=(self.parsed | other.parsed) - text)
