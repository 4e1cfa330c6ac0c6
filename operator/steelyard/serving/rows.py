"""Raw rows from a CSV file, by batches, for prediction. Imports the standard library and the api only."""

import csv
import gzip
import io
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from steelyard.api.contract import Reason
from steelyard.api.errors import DataError

BATCH_ROWS = 1024
_LONGEST_CELL = 2 << 20


@dataclass(frozen=True)
class Batch:
    """Some rows that follow each other."""

    first_row: int
    """The number of the first of them; the file's first row under the header is 1."""
    rows: int
    table: dict[str, list[str]]
    """The cells by column, of the columns that were asked for and are there."""


@dataclass(frozen=True)
class RowFile:
    """A CSV file: UTF-8, a header, commas (tabs where its name ends in .tsv); plain or .gz. Empty lines are no rows."""

    path: Path

    def header(self) -> list[str]:
        """The names of the columns.

        Raises:
            DataError: there is no such file, it is empty or no CSV, or a name is there twice.
        """
        with self._lines() as lines:
            return self._checked_header(lines)

    def batches(self, columns: Collection[str]) -> Iterator[Batch]:
        """The rows in order.

        Args:
            columns: which columns are wanted; those that the file lacks are left out.

        Raises:
            DataError: a row has more or fewer cells than the header, or the file is no CSV.
        """
        with self._lines() as lines:
            header = self._checked_header(lines)
            places = [(index, name) for index, name in enumerate(header) if name in columns]
            first_row, pending = 1, list[list[str]]()
            for cells in lines:
                if not cells:
                    continue
                if len(cells) != len(header):
                    raise DataError(
                        f"{self.path.name}, row {first_row + len(pending):,}: {len(cells)} cells, "
                        f"but the header names {len(header)} columns"
                    )
                pending.append(cells)
                if len(pending) == BATCH_ROWS:
                    yield _batch(first_row, pending, places)
                    first_row, pending = first_row + len(pending), []
            if pending:
                yield _batch(first_row, pending, places)

    def _checked_header(self, lines: Iterator[list[str]]) -> list[str]:
        header = next(lines, None)
        if not header:
            raise DataError(f"{self.path.name} is empty; it must begin with a line that names the columns")
        for name in header:
            if header.count(name) > 1:
                raise DataError(f"{self.path.name} has the column {name!r} twice")
        return header

    @contextmanager
    def _lines(self) -> Iterator[Iterator[list[str]]]:
        """The cells of each line, the header's first; what is wrong with the file becomes a DataError."""
        csv.field_size_limit(_LONGEST_CELL)
        name = self.path.name.lower()
        delimiter = "\t" if name.removesuffix(".gz").endswith(".tsv") else ","
        try:
            with self.path.open("rb") as raw:
                content = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if name.endswith(".gz") else raw
                text = io.TextIOWrapper(content, encoding="utf-8-sig", newline="")
                yield csv.reader(text, delimiter=delimiter, strict=True)
        except FileNotFoundError:
            raise DataError(f"the input {self.path} does not exist", reason=Reason.SOURCE_NOT_FOUND) from None
        except IsADirectoryError:
            raise DataError(f"the input {self.path} is a folder; name a CSV file", reason=Reason.INVALID_DATA) from None
        except (UnicodeDecodeError, csv.Error, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"{self.path.name} is not a CSV file in UTF-8: {error}") from None


def _batch(first_row: int, rows: list[list[str]], places: list[tuple[int, str]]) -> Batch:
    return Batch(first_row, len(rows), {name: [cells[index] for cells in rows] for index, name in places})
