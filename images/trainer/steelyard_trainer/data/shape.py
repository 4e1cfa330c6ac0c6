"""What the data asks of a network. Imports serving only."""

from dataclasses import dataclass
from typing import Self

from steelyard.serving.input_columns import CategoryColumn
from steelyard.serving.preprocessing import Preprocessing


@dataclass(frozen=True)
class Category:
    """Where a category's values lie among those of a row: one for each word."""

    name: str
    start: int
    stop: int
    """The index after the last."""


@dataclass(frozen=True)
class Shape:
    """What the data asks of a network."""

    width: int
    """Preprocessed features of a row."""
    classes: int | None
    """Classes to tell apart; None for regression."""
    categories: tuple[Category, ...] = ()
    """Those that have words, in the table's order; the other features are numbers."""

    @classmethod
    def of(cls, preprocessing: Preprocessing) -> Self:
        """Of a prepared table."""
        categories, start = [], 0
        for column in preprocessing.columns:
            stop = start + len(column.feature_names)
            if isinstance(column, CategoryColumn) and stop > start:
                categories.append(Category(column.name, start, stop))
            start = stop
        classes = preprocessing.classes
        return cls(start, None if classes is None else len(classes), tuple(categories))

    @property
    def outputs(self) -> int:
        """Units of the last dense layer."""
        return self.classes or 1

    @property
    def runs_of_numbers(self) -> list[tuple[int, int]]:
        """(start, stop) of the features between the categories."""
        starts = [0, *(category.stop for category in self.categories)]
        stops = [*(category.start for category in self.categories), self.width]
        return [(start, stop) for start, stop in zip(starts, stops, strict=True) if stop > start]
