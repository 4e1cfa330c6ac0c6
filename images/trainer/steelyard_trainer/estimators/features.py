"""Rows of a prepared dataset as float64 matrices, with what fills, scales and encodes learned from any of them.

Imports steelyard.serving, numpy, pyarrow and the prepared data.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from steelyard.api.dataset import MissingValues
from steelyard.serving.columns import seconds_of
from steelyard.serving.preprocessing import Preprocessing
from steelyard_trainer.data.reading import ROW, PreparedDataset
from steelyard_trainer.data.splitting import SplitName
from steelyard_trainer.data.statistics import learner_like, read_like

Matrix = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Table:
    """Some rows, as they were read: not filled, not scaled, not encoded."""

    columns: tuple[str, ...]
    """The features, in order."""
    numbers: Matrix
    """Shape (rows, columns of numbers), C order, NaN for missing cells."""
    words: dict[str, npt.NDArray[Any]]
    """The other columns: texts, None for missing cells; dates as datetime64, NaT for missing ones."""
    targets: npt.NDArray[Any]
    """Shape (rows,): int64 indices of the classes, or float64 in the target's own unit."""

    @classmethod
    def read(cls, dataset: PreparedDataset, splits: Sequence[SplitName]) -> "Table":
        """The rows of one part in the part's order, or of several together in the source's order."""
        names = [name for split in splits for name, _ in dataset.shards[split]]
        table = pa.concat_tables([pq.read_table(dataset.folder / name) for name in names])
        if len(splits) > 1:
            table = table.take(pc.sort_indices(table.column(ROW)))
        kinds = dict(dataset.columns)
        numbers = [name for name, kind in kinds.items() if kind == "Number"]
        matrix = np.empty((table.num_rows, len(numbers)))
        for index, name in enumerate(numbers):
            matrix[:, index] = table.column(name).to_numpy()
        words = {
            name: table.column(name).to_numpy()
            if kind == "Date"
            else np.array(table.column(name).to_pylist(), dtype=object)
            for name, kind in kinds.items()
            if kind != "Number"
        }
        return cls(tuple(kinds), matrix, words, _targets(table.column(dataset.target), dataset.classes))

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: Indices) -> "Table":
        """Some of the rows."""
        words = {name: cells[rows] for name, cells in self.words.items()}
        return Table(self.columns, self.numbers[rows], words, self.targets[rows])

    def learn(self, missing_values: MissingValues, like: Preprocessing) -> Preprocessing:
        """Learns from these rows what the stage prepare learned from the training part.

        Args:
            missing_values: the dataset's.
            like: what is not learned anew: target, task and classes.

        Raises:
            DataError: a column has no cell to learn from.
        """
        cells = self._cells
        columns = []
        known = {column.name: column for column in like.columns}
        for name in self.columns:
            learner = learner_like(name, known.get(name), is_word=name in self.words)
            # From NaN to null.
            learner.add(pa.array(cells[name], from_pandas=True))
            learned = learner.learn(missing_values, lambda name: _median(cells[name]))
            columns.append(read_like(learned, known.get(name)))
        return replace(like, columns=tuple(columns))

    def features(self, preprocessing: Preprocessing, *, scaled: bool) -> Matrix:
        """Shape (rows, width), C order. Raises DataError where a cell is missing that nothing fills."""
        if not scaled and self.is_plain:
            return self.numbers
        return preprocessing.transform(self._cells, dtype=np.float64, scaled=scaled)

    @property
    def _cells(self) -> dict[str, npt.NDArray[Any]]:
        numbers = iter(self.numbers.T)
        return {name: self.words[name] if name in self.words else next(numbers) for name in self.columns}

    @cached_property
    def is_plain(self) -> bool:
        """Whether the numbers are the features, as they are: there are no words and no gaps."""
        return not self.words and not np.isnan(self.numbers).any()


def _median(cells: npt.NDArray[Any]) -> float:
    """Of numbers, or of dates in seconds."""
    return float(np.nanmedian(seconds_of(cells) if cells.dtype.kind == "M" else cells))


def _targets(column: pa.ChunkedArray, classes: Sequence[str] | None) -> npt.NDArray[Any]:
    if classes is None:
        numbers: npt.NDArray[Any] = column.to_numpy()
        return numbers.astype(np.float64)
    indices: npt.NDArray[Any] = pc.index_in(column, value_set=pa.array(classes, pa.string())).to_numpy()
    return indices.astype(np.int64)
