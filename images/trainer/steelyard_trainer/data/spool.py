"""The first pass: the source's rows into a temporary Arrow file, and what must be known of all of them.

Per row only the target and a 64-bit hash stay in memory. Imports steelyard.api, numpy and pyarrow.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from steelyard.api.dataset import Dataset
from steelyard.api.errors import DataError
from steelyard.api.metrics import Task
from steelyard.cells.dates import ISO8601
from steelyard.cells.manifest import default_style, markers, missing_numbers, missing_words
from steelyard.cells.numbers import LARGEST_WHOLE
from steelyard.cells.words import Spelling
from steelyard.serving.gaps import without_markers
from steelyard.serving.input_columns import seconds_of
from steelyard_trainer.data.feature_columns import Column
from steelyard_trainer.data.hashing import Hashes, as_numbers, mix_in, number_bits
from steelyard_trainer.data.parsing import Parser, WordReader
from steelyard_trainer.data.source import ReadAgain, Source
from steelyard_trainer.data.split_column import SplitColumn
from steelyard_trainer.data.target import TargetReader

LARGEST_NUMBER = 1e100
"""The largest absolute value of a cell."""


@dataclass
class Spool:
    """The source's rows, read once."""

    path: Path
    """An Arrow stream with the features, named by their place ("0", "1" ...) so that no name is in the way."""
    rows: int
    target: TargetReader
    hashes: Hashes
    """Shape (rows,)."""
    incomplete: npt.NDArray[np.bool_]
    """Shape (rows,): whether a feature is missing."""
    missing: dict[str, int]
    """Missing cells by feature."""
    first_missing: dict[str, int]
    """The first row (from 0) in which the feature is missing."""
    spellings: dict[str, Spelling]
    """How the words of each column of words are spelled; the rows have them as they were written, without blanks around
    them."""
    equal_to_target: list[str]
    """The features that have the target's value in every row."""
    date_forms: dict[str, str]
    """The columns of words that are all dates, with the form of these."""
    split_column: SplitColumn | None
    """What deals the rows out, where it is a column."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows' features, in order. Not mapped into memory: what was read would count as used."""
        with pa.OSFile(str(self.path)) as file, pa.ipc.open_stream(file) as reader:
            yield from reader


def spool(
    source: Source, dataset: Dataset, task: Task | None, path: Path, progress: Callable[[int, int], None]
) -> Spool:
    """Reads the source once.

    Args:
        source: the table.
        dataset: what the manifest says of it.
        task: what spec.task says.
        path: the file to write.
        progress: is told rows done and rows in all, as far as known.

    Raises:
        DataError: a cell can't be used; the row is named.
        ReadAgain: the source must be opened again.
    """
    reader = _Reader(source, dataset, task)
    schema = pa.schema([(str(index), column.arrow_type) for index, column in enumerate(source.features)])
    with path.open("wb") as file, pa.ipc.new_stream(file, schema) as writer:
        for batch in source.batches():
            writer.write_batch(pa.record_batch(reader.take(batch), schema=schema))
            progress(reader.rows, source.estimated_rows)
    if not reader.rows:
        raise DataError(f"{source.name} has columns but no rows")
    reader.review()
    return Spool(
        path=path,
        rows=reader.rows,
        target=reader.target,
        hashes=np.concatenate(reader.hashes),
        incomplete=np.concatenate(reader.incomplete),
        missing=dict(reader.missing),
        first_missing=reader.first_missing,
        spellings={name: words.spelling for name, words in reader.words.items()},
        equal_to_target=sorted(reader.equal_to_target),
        date_forms={name: form for name, words in reader.words.items() if (form := words.date_form) is not None},
        split_column=reader.split_column,
    )


class _Reader:
    """What is gathered batch by batch."""

    def __init__(self, source: Source, dataset: Dataset, task: Task | None) -> None:
        self._source = source
        self._markers = markers(dataset)
        by = dataset.split.by
        form = dataset.dates.get(by[1], ISO8601) if by is not None else ISO8601
        self.split_column = SplitColumn(*by, source.where, form) if by is not None else None
        self.rows = 0
        self.target = TargetReader(source.target, task, source.where, dataset)
        self.hashes: list[Hashes] = []
        self.incomplete: list[npt.NDArray[np.bool_]] = []
        self.missing: Counter[str] = Counter()
        self.first_missing: dict[str, int] = {}
        self.equal_to_target = {column.name for column in source.features}
        self._whole_checked: set[str] = set()
        missing, style = missing_numbers(dataset), default_style(dataset)
        self.words = {
            column.name: WordReader(column, missing_words(dataset), missing, style)
            for column in source.features
            if column.kind == "Category"
        }
        self._parsers = {
            column.name: Parser(column, missing, lambda row: f"{source.name}, {source.where(row)}")
            for column in source.features
            if column.is_text
        }

    def take(self, batch: pa.RecordBatch) -> list[pa.Array]:
        """Gives the features' columns with every missing cell as null."""
        hashes = np.zeros(batch.num_rows, dtype=np.uint64)
        incomplete = np.zeros(batch.num_rows, dtype=np.bool_)
        target_bits = self.target.add(batch.column(len(self._source.features)))
        columns = []
        for index, column in enumerate(self._source.features):
            cells, bits = self._take(column, batch.column(index))
            mix_in(hashes, bits)
            if column.name in self.equal_to_target and not np.array_equal(bits, target_bits):
                self.equal_to_target.discard(column.name)
            if cells.null_count:
                missing = cells.is_null().to_numpy(zero_copy_only=False)
                self.missing[column.name] += cells.null_count
                self.first_missing.setdefault(column.name, self.rows + int(missing.argmax()))
                incomplete |= missing
            columns.append(cells)
        mix_in(hashes, target_bits)
        # A test file has no such column.
        if self.split_column is not None and batch.num_columns > len(columns) + 1:
            incomplete |= self.split_column.add(batch.column(len(columns) + 1))
        self.hashes.append(hashes)
        self.incomplete.append(incomplete)
        self.rows += batch.num_rows
        return columns

    def review(self) -> None:
        """Judges now that all cells were seen. Raises DataError, and ReadAgain for all columns at once."""
        again = ReadAgain()
        reviews = [parser.review for parser in self._parsers.values()]
        reviews += [partial(words.review, self._source.name) for words in self.words.values()]
        for review in reviews:
            try:
                review()
            except ReadAgain as found:
                again |= found
        if again.text or again.parsed:
            raise again

    def _take(self, column: Column, cells: pa.Array) -> tuple[pa.Array, Hashes]:
        if column.kind == "Category":
            return self.words[column.name].take(cells)
        if column.kind == "Date":
            seconds = self._parsers[column.name].take(cells) if column.is_text else seconds_of(cells.to_numpy(False))
            moments = np.round(np.nan_to_num(seconds) * 1e6).astype(np.int64)
            return pa.array(moments, mask=np.isnan(seconds)).cast(pa.timestamp("us")), number_bits(seconds)
        numbers = self._parsers[column.name].take(cells) if column.is_text else as_numbers(cells)
        return self._take_numbers(column, without_markers(numbers, self._markers), cells)

    def _take_numbers(
        self, column: Column, numbers: npt.NDArray[np.float64], cells: pa.Array
    ) -> tuple[pa.Array, Hashes]:
        name = column.name
        missing = np.isnan(numbers)
        # Beyond this the square of a number, which its column's deviation needs, is infinite.
        if (infinite := ~(np.abs(numbers) <= LARGEST_NUMBER) & ~missing).any():
            row = int(infinite.argmax())
            raise DataError(
                f"{self._source.name}, {self._source.where(self.rows + row)}, column {name!r}: {numbers[row]} is "
                f"not a finite number of at most {LARGEST_NUMBER:g}; mend the cell, or leave it empty if "
                "the number is not known"
            )
        if not column.is_text and name not in self._whole_checked and (np.abs(numbers) > LARGEST_WHOLE).any():
            self._whole_checked.add(name)
            self._source.check_whole(name)
        if column.is_text or np.count_nonzero(missing) != cells.null_count:
            cells = pa.array(numbers, mask=missing)
        return cells, number_bits(numbers)
