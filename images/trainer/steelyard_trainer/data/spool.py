"""The first pass: the source's rows into a temporary Arrow file, and what must be known of all of them.

Per row only the target and a 64-bit hash stay in memory. Imports steelyard.api, numpy and pyarrow.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from steelyard.api.dataset import SplitBy
from steelyard.api.errors import DataError
from steelyard.api.metrics import Task
from steelyard_trainer.data.hashing import Hashes, as_numbers, mix_in, number_bits, word_bits
from steelyard_trainer.data.sources import Source
from steelyard_trainer.data.split_column import SplitColumn
from steelyard_trainer.data.target import TargetReader
from steelyard_trainer.data.words import shortened

MOST_WORDS = 1000
"""Different words of a text column; each becomes an input of the model."""

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
    words: dict[str, Counter[str]]
    """Words by text column, with their numbers of cells."""
    split_column: SplitColumn | None
    """What deals the rows out, where it is a column."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows' features, in order. Not mapped into memory: what was read would count as used."""
        with pa.OSFile(str(self.path)) as file, pa.ipc.open_stream(file) as reader:
            yield from reader


def spool(
    source: Source,
    task: Task | None,
    path: Path,
    progress: Callable[[int, int], None],
    by: tuple[SplitBy, str] | None = None,
) -> Spool:
    """Reads the source once.

    Args:
        source: the table.
        by: the column that deals the rows out, where there is one.
        task: what spec.task says.
        path: the file to write.
        progress: is told rows done and rows in all, as far as known.

    Raises:
        DataError: a cell can't be used; the row is named.
        ColumnsAreText: the source must be opened again.
    """
    reader = _Reader(source, task, by)
    schema = pa.schema([(str(index), column.arrow_type) for index, column in enumerate(source.features)])
    with path.open("wb") as file, pa.ipc.new_stream(file, schema) as writer:
        for batch in source.batches():
            writer.write_batch(pa.record_batch(reader.take(batch), schema=schema))
            progress(reader.rows, source.estimated_rows)
    if not reader.rows:
        raise DataError(f"{source.name} has columns but no rows")
    source.review_words(reader.words)
    return Spool(
        path=path,
        rows=reader.rows,
        target=reader.target,
        hashes=np.concatenate(reader.hashes),
        incomplete=np.concatenate(reader.incomplete),
        missing=dict(reader.missing),
        first_missing=reader.first_missing,
        words=reader.words,
        split_column=reader.split_column,
    )


class _Reader:
    """What is gathered batch by batch."""

    def __init__(self, source: Source, task: Task | None, by: tuple[SplitBy, str] | None) -> None:
        self._source = source
        self.split_column = SplitColumn(*by, source.where) if by is not None else None
        self.rows = 0
        self.target = TargetReader(source.target, task, source.where)
        self.hashes: list[Hashes] = []
        self.incomplete: list[npt.NDArray[np.bool_]] = []
        self.missing: Counter[str] = Counter()
        self.first_missing: dict[str, int] = {}
        self.words: dict[str, Counter[str]] = {c.name: Counter() for c in source.features if c.kind == "Category"}

    def take(self, batch: pa.RecordBatch) -> list[pa.Array]:
        """Gives the features' columns with every missing cell as null."""
        hashes = np.zeros(batch.num_rows, dtype=np.uint64)
        incomplete = np.zeros(batch.num_rows, dtype=np.bool_)
        columns = []
        for index, column in enumerate(self._source.features):
            take = self._take_numbers if column.kind == "Number" else self._take_words
            cells, bits = take(column.name, batch.column(index))
            mix_in(hashes, bits)
            if cells.null_count:
                missing = cells.is_null().to_numpy(zero_copy_only=False)
                self.missing[column.name] += cells.null_count
                self.first_missing.setdefault(column.name, self.rows + int(missing.argmax()))
                incomplete |= missing
            columns.append(cells)
        mix_in(hashes, self.target.add(batch.column(len(columns))))
        # A test file has no such column.
        if self.split_column is not None and batch.num_columns > len(columns) + 1:
            incomplete |= self.split_column.add(batch.column(len(columns) + 1))
        self.hashes.append(hashes)
        self.incomplete.append(incomplete)
        self.rows += batch.num_rows
        return columns

    def _take_numbers(self, name: str, cells: pa.Array) -> tuple[pa.Array, Hashes]:
        numbers = as_numbers(cells)
        # Beyond this the square of a number, which its column's deviation needs, is infinite.
        finite = np.abs(numbers) <= LARGEST_NUMBER
        if not finite.all():
            missing = np.isnan(numbers)
            if (infinite := ~finite & ~missing).any():
                row = int(infinite.argmax())
                raise DataError(
                    f"{self._source.name}, {self._source.where(self.rows + row)}, column {name!r}: {numbers[row]} is "
                    f"not a finite number of at most {LARGEST_NUMBER:g}; mend the cell, or leave it empty if "
                    "the number is not known"
                )
            cells = pa.array(numbers, mask=missing)
        return cells, number_bits(numbers)

    def _take_words(self, name: str, cells: pa.Array) -> tuple[pa.Array, Hashes]:
        cells = pc.if_else(pc.equal(cells, ""), None, cells)
        encoded = cells.dictionary_encode()
        words: list[str] = encoded.dictionary.to_pylist()
        indices = encoded.indices.fill_null(len(words)).to_numpy()
        counts = self.words[name]
        counts.update(dict(zip(words, np.bincount(indices, minlength=len(words)).tolist(), strict=False)))
        if len(counts) > MOST_WORDS:
            self._source.review_words({name: counts})
            raise DataError(
                f"{self._source.name}: the text column {name!r} has more than {MOST_WORDS:,} different words, such as "
                f"{shortened(words[0])}; a model can't learn from so many: list it under dataset.exclude"
            )
        bits = np.array([word_bits(word) for word in [*words, None]], dtype=np.uint64)
        return cells, bits[indices]
