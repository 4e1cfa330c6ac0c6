"""A table and its test file (`dataset.testUri`) read as one source, the test file last. Imports steelyard, pyarrow."""

from collections.abc import Iterator

import pyarrow as pa

from steelyard.api.errors import DataError
from steelyard_trainer.data.source import Source
from steelyard_trainer.data.words import listed


class JoinedSource(Source):
    """The rows of one source, then those of another, which is read as the first one has its columns.

    Raises:
        DataError: the second lacks columns of the first, or has text where the first has numbers.
    """

    def __init__(self, first: Source, second: Source) -> None:
        self._first, self._second = first, second
        kinds = {column.name: column.kind for column in second.features}
        if absent := [column.name for column in first.features if column.name not in kinds]:
            raise DataError(f"the test file {second.name} lacks {listed(absent)}, which {first.name} has")
        for column in first.features:
            if column.kind == "Number" and kinds[column.name] != "Number":
                raise DataError(
                    f"column {column.name!r} holds numbers in {first.name}, but text in the test file {second.name}; "
                    "mend the file, or list the column under dataset.categorical or dataset.exclude"
                )
        second.features = first.features
        super().__init__(f"{first.name} and {second.name}", first.features, first.target, first.dealt_by)
        self.left_out = first.left_out
        self._rows_of_first = 0

    @property
    def first_rows(self) -> int | None:
        """See Source."""
        return self._rows_of_first

    def batches(self) -> Iterator[pa.RecordBatch]:
        """See Source; those of the test file have no column that deals the rows out."""
        self._rows_of_first = 0
        for batch in self._first.batches():
            self._rows_of_first += batch.num_rows
            yield batch
        if not self._rows_of_first:
            raise DataError(f"{self._first.name} has columns but no rows")
        rows = 0
        for batch in self._second.batches():
            rows += batch.num_rows
            yield batch
        if not rows:
            raise DataError(f"the test file {self._second.name} has columns but no rows")

    @property
    def estimated_rows(self) -> int:
        """See Source."""
        return self._first.estimated_rows + self._second.estimated_rows

    def where(self, row: int) -> str:
        """See Source; the file is named."""
        if row < self._rows_of_first or not self._rows_of_first:
            return f"{self._first.where(row)} of {self._first.name}"
        return f"{self._second.where(row - self._rows_of_first)} of {self._second.name}"

    def check_whole(self, name: str) -> None:
        """See Source."""
        self._first.check_whole(name)
        self._second.check_whole(name)
