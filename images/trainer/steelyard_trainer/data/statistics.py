"""What is learned from the training part: fills, means, deviations, words. Imports steelyard, numpy and pyarrow.

As scikit-learn's SimpleImputer, StandardScaler and OneHotEncoder(handle_unknown="ignore") in a pipeline learn them:
mean and deviation are those of the column after its missing cells were filled.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from steelyard.api.dataset import MissingValues
from steelyard.api.errors import ConfigurationError, DataError
from steelyard.serving.columns import CategoryColumn, NumberColumn
from steelyard_trainer.data.hashing import as_numbers


@dataclass
class Moments:
    """Count, mean and sum of squared differences from it, merged batch by batch without loss of digits (Chan et al.,
    "Updating formulae and a pairwise algorithm for computing sample variances", 1979)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, values: npt.NDArray[np.float64]) -> None:
        """Takes values, none of them NaN."""
        if len(values):
            mean = float(values.mean())
            self.merge(len(values), mean, float(((values - mean) ** 2).sum()))

    def merge(self, count: int, mean: float, squares: float) -> None:
        """Takes values of which only these figures are known."""
        total = self.count + count
        difference = mean - self.mean
        self.mean += difference * count / total
        self.squares += squares + difference * difference * self.count * count / total
        self.count = total

    @property
    def scale(self) -> float:
        """The standard deviation; 1 where the values don't vary by more than rounding, as StandardScaler has it."""
        variance = self.squares / self.count
        epsilon = float(np.finfo(np.float64).eps)
        is_constant = variance <= self.count * epsilon * variance + (self.count * self.mean * epsilon) ** 2
        return 1.0 if is_constant else math.sqrt(variance)


@dataclass
class NumberLearner:
    """Learns a column of numbers."""

    name: str
    moments: Moments = field(default_factory=Moments)
    missing: int = 0

    def add(self, cells: pa.Array) -> None:
        """Takes the training part's next cells."""
        numbers = as_numbers(cells)
        if cells.null_count:
            numbers = numbers[~np.isnan(numbers)]
        self.missing += cells.null_count
        self.moments.add(numbers)

    def learn(self, missing_values: MissingValues, median: Callable[[str], float]) -> NumberColumn:
        """Ends the learning.

        Args:
            missing_values: what the manifest says.
            median: gives the training part's median of a column.

        Raises:
            DataError: the column has no number.
        """
        moments = self.moments
        if not moments.count:
            raise _nothing_to_learn(self.name)
        fill: float | None = None
        match missing_values.strategy:
            case "Mean":
                fill = moments.mean
            case "Median":
                fill = median(self.name)
            case "Constant":
                fill = missing_values.value
        if fill is not None and self.missing:
            moments.merge(self.missing, fill, 0.0)
        return NumberColumn(self.name, fill, moments.mean, moments.scale)


@dataclass
class WordLearner:
    """Learns a text column."""

    name: str
    words: Counter[str] = field(default_factory=Counter)
    missing: int = 0

    def add(self, cells: pa.Array) -> None:
        """Takes the training part's next cells."""
        for entry in cells.value_counts().to_pylist():
            if entry["values"] is None:
                self.missing += entry["counts"]
            else:
                self.words[entry["values"]] += entry["counts"]

    def learn(self, missing_values: MissingValues, median: Callable[[str], float]) -> CategoryColumn:  # noqa: ARG002
        """Ends the learning; as NumberLearner has it."""
        if not self.words:
            raise _nothing_to_learn(self.name)
        fill: str | None = None
        match missing_values.strategy:
            case "Mean" | "Median":
                # The most frequent word; of several the first, so that the rows' order does not matter.
                fill = min(self.words, key=lambda word: (-self.words[word], word))
            case "Constant":
                fill = missing_values.text if missing_values.text is not None else as_word(missing_values.value)
        words = set(self.words) | ({fill} if fill is not None and self.missing else set())
        return CategoryColumn(self.name, fill, tuple(sorted(words)))


Learner = NumberLearner | WordLearner


def as_word(value: float | None) -> str:
    """The number that a Constant puts into a text column, without a needless ".0"."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def check_constant(missing_values: MissingValues, missing_numbers: dict[str, int]) -> None:
    """Raises ConfigurationError where columns of numbers need a number that is not given.

    Args:
        missing_values: what the manifest says.
        missing_numbers: missing cells of each column of numbers that has some.
    """
    if missing_values.strategy == "Constant" and missing_values.value is None and missing_numbers:
        columns = ", ".join(f"{name!r} ({count:,} empty cells)" for name, count in missing_numbers.items())
        raise ConfigurationError(
            f"spec.dataset.missingValues.value: the text {missing_values.text!r} can't fill columns of numbers, but "
            f"there are empty cells in {columns}; give a value, or another strategy"
        )


def _nothing_to_learn(name: str) -> DataError:
    return DataError(
        f"column {name!r} is empty in every row of the training part, so nothing can be learned from it; "
        "list it under dataset.exclude"
    )
