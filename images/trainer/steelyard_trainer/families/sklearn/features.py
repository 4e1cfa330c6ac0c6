"""Rows of a prepared dataset as float64 matrices, with what fills, scales and encodes learned from any of them.

Imports steelyard.serving, numpy, pyarrow and the prepared data.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from steelyard.api.dataset import MissingValues
from steelyard.serving.column_documents import code_column
from steelyard.serving.input_columns import OTHER, CategoryColumn, CodeColumn, Column, NumberColumn, seconds_of
from steelyard.serving.preprocessing import Preprocessing
from steelyard_trainer.data.reading import ROW, PreparedDataset
from steelyard_trainer.data.splitting import SplitName
from steelyard_trainer.data.statistics import learner_like, read_like

Matrix = npt.NDArray[np.float64]
Form = Literal["Scaled", "Plain", "Coded"]
"""How a model takes its features. Scaled: numbers to mean 0 and deviation 1; Plain: as they are; in both a category is
an input for each word. Coded: numbers as they are, a category is one input, the number of its word."""

MOST_CATEGORIES = 255
"""That scikit-learn's gradient boosting tells apart in a column."""

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LabelledRows:
    """Rows as the model takes them, and what it should say."""

    features: Matrix
    targets: npt.NDArray[Any]


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
        """Learns from these rows what the stage prepare learned from the training set.

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

    def features(self, preprocessing: Preprocessing) -> Matrix:
        """Shape (rows, width), C order. Raises DataError where a cell is missing that nothing fills."""
        if self.is_plain and _takes_numbers_as_they_are(preprocessing):
            return self.numbers
        return preprocessing.transform(self._cells, dtype=np.float64)

    def taken_as(self, form: Form, learned: Preprocessing, *, keeps_gaps: bool) -> Preprocessing:
        """What makes a model's features.

        Args:
            form: how the model takes them.
            learned: from these rows.
            keeps_gaps: Coded: whether missing cells stay what they are.
        """
        if form == "Scaled":
            return learned
        if form == "Plain":
            return learned.unscaled()
        return coded(learned, self, keeps_gaps=keeps_gaps)

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


def coded(learned: Preprocessing, table: Table, *, keeps_gaps: bool) -> Preprocessing:
    """Preprocessing for a model that splits categories as sets: first the categories, as codes, then the numbers as
    they are.

    Args:
        learned: from the table.
        table: says which words are frequent, where there are too many.
        keeps_gaps: whether missing cells stay what they are.
    """
    codes, others = list[Column](), list[Column]()
    for column in learned.unscaled().columns:
        if isinstance(column, CategoryColumn):
            codes.append(code_column(_most_frequent(column, table), keeps_gaps=keeps_gaps))
        else:
            others.append(replace(column, keeps_gaps=keeps_gaps))
    return replace(learned, columns=(*codes, *others))


def _most_frequent(column: CategoryColumn, table: Table) -> CategoryColumn:
    """The column with at most MOST_CATEGORIES words."""
    if len(column.words) <= MOST_CATEGORIES:
        return column
    codes = column.codes(table.words[column.name])
    counts = np.bincount(codes[codes >= 0], minlength=len(column.words))
    ranked = sorted(range(len(column.words)), key=lambda code: (-counts[code], column.words[code]))
    # A word of the table's own that says other is one of them then.
    kept = [column.words[code] for code in ranked if column.words[code] != OTHER]
    words = sorted([*kept[: MOST_CATEGORIES - 1], OTHER])
    return replace(column, words=tuple(words), has_other=True)


def categories_of(preprocessing: Preprocessing) -> int:
    """How many of the features, the first ones, are codes of categories."""
    return sum(isinstance(column, CodeColumn) for column in preprocessing.columns)


def _takes_numbers_as_they_are(preprocessing: Preprocessing) -> bool:
    return all(
        isinstance(column, NumberColumn) and column.mean == 0 and column.scale == 1 for column in preprocessing.columns
    )


def _targets(column: pa.ChunkedArray, classes: Sequence[str] | None) -> npt.NDArray[Any]:
    if classes is None:
        numbers: npt.NDArray[Any] = column.to_numpy()
        return numbers.astype(np.float64)
    indices: npt.NDArray[Any] = pc.index_in(column, value_set=pa.array(classes, pa.string())).to_numpy()
    return indices.astype(np.int64)
