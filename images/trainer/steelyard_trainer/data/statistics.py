"""What is learned from the training set: fills, means, deviations, words. Imports steelyard, numpy and pyarrow.

As scikit-learn's SimpleImputer, StandardScaler and OneHotEncoder(handle_unknown="ignore") in a pipeline learn them:
mean and deviation are those of the column after its missing cells were filled.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from steelyard.api.dataset import MissingValues
from steelyard.api.errors import ConfigurationError, DataError
from steelyard.cells.dates import DATE_PARTS, DatePart, date_parts, parse_date
from steelyard.cells.words import Spelling
from steelyard.serving.input_columns import OTHER, CategoryColumn, DateColumn, NumberColumn, seconds_of
from steelyard.serving.input_columns import Column as LearnedColumn
from steelyard_trainer.data.feature_columns import Column
from steelyard_trainer.data.hashing import as_numbers

_COUNTED_WORDS = 200_000
"""Different words of a column that are counted at once."""


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
        """Takes the training set's next cells."""
        numbers = as_numbers(cells)
        if cells.null_count:
            numbers = numbers[~np.isnan(numbers)]
        self.missing += cells.null_count
        self.moments.add(numbers)

    def learn(self, missing_values: MissingValues, median: Callable[[str], float]) -> NumberColumn:
        """Ends the learning. Whatever becomes of the gaps in training, there is something to fill one with.

        Args:
            missing_values: what the manifest says.
            median: gives the training set's median of a column.

        Raises:
            DataError: the column has no number.
        """
        moments = self.moments
        if not moments.count:
            raise _nothing_to_learn(self.name)
        fill = moments.mean
        if missing_values.strategy == "Median":
            fill = median(self.name)
        elif missing_values.strategy == "Constant" and missing_values.value is not None:
            fill = missing_values.value
        if self.missing:
            moments.merge(self.missing, fill, 0.0)
        return NumberColumn(self.name, fill, moments.mean, moments.scale)


@dataclass
class WordLearner:
    """Learns a text column.

    Of very many different words the rarest are forgotten on the way, so that memory stays bounded: what is said of the
    most frequent ones is not changed by that, unless all are about as rare (after Manku and Motwani, "Approximate
    frequency counts over data streams", 2002).
    """

    name: str
    most: int | None = None
    """How many words are told apart (`dataset.categories.max`); None: all."""
    words: Counter[str] = field(default_factory=Counter)
    missing: int = 0
    cells: int = 0

    def add(self, cells: pa.Array) -> None:
        """Takes the training set's next cells."""
        for entry in cells.value_counts().to_pylist():
            if entry["values"] is None:
                self.missing += entry["counts"]
            else:
                self.words[entry["values"]] += entry["counts"]
                self.cells += entry["counts"]
        if self.most is not None and len(self.words) > _COUNTED_WORDS:
            self.words = Counter(dict(self._by_frequency()[: _COUNTED_WORDS // 2]))

    def learn(self, missing_values: MissingValues, median: Callable[[str], float]) -> CategoryColumn:  # noqa: ARG002
        """Ends the learning; as NumberLearner has it."""
        if not self.words:
            raise _nothing_to_learn(self.name)
        # The most frequent word; of several the first, so that the rows' order does not matter.
        fill = min(self.words, key=lambda word: (-self.words[word], word))
        if missing_values.strategy == "Constant":
            fill = missing_values.text if missing_values.text is not None else as_word(missing_values.value)
        words = {word for word, _ in self._told_apart()}
        has_other = len(words) < len(self.words)
        words |= {fill} if self.missing else set()
        words |= {OTHER} if has_other else set()
        return CategoryColumn(self.name, fill, tuple(sorted(words)), has_other=has_other)

    @property
    def other_cells(self) -> int:
        """How many cells have a word that is not told apart."""
        return self.cells - sum(count for _, count in self._told_apart())

    def _told_apart(self) -> list[tuple[str, int]]:
        if self.most is None or len(self.words) <= self.most:
            return list(self.words.items())
        return self._by_frequency()[: self.most]

    def _by_frequency(self) -> list[tuple[str, int]]:
        return sorted(self.words.items(), key=lambda item: (-item[1], item[0]))


@dataclass
class DateLearner:
    """Learns a column of dates: each part as a column of numbers is learned, of those that vary."""

    name: str
    form: str
    seconds: Moments = field(default_factory=Moments)
    parts: dict[DatePart, Moments] = field(default_factory=lambda: {part: Moments() for part in DATE_PARTS})
    least: dict[DatePart, float] = field(default_factory=dict)
    largest: dict[DatePart, float] = field(default_factory=dict)
    missing: int = 0

    def add(self, cells: pa.Array) -> None:
        """Takes the training set's next cells: timestamps."""
        seconds = seconds_of(cells.to_numpy(zero_copy_only=False))
        self.missing += cells.null_count
        seconds = seconds[~np.isnan(seconds)]
        if not len(seconds):
            return
        self.seconds.add(seconds)
        for part, values in date_parts(seconds).items():
            self.parts[part].add(values)
            self.least[part] = min(self.least.get(part, math.inf), float(values.min()))
            self.largest[part] = max(self.largest.get(part, -math.inf), float(values.max()))

    def learn(self, missing_values: MissingValues, median: Callable[[str], float]) -> DateColumn:
        """Ends the learning; as NumberLearner has it. A Constant fills with its text, where that is such a date, else
        with the mean."""
        if not self.seconds.count:
            raise _nothing_to_learn(self.name)
        fill = self.seconds.mean
        if missing_values.strategy == "Median":
            fill = median(self.name)
        elif missing_values.strategy == "Constant" and missing_values.text is not None:
            said = parse_date(missing_values.text, self.form)
            fill = fill if said is None else said
        if self.missing:
            for part, values in date_parts(np.array([fill])).items():
                self.parts[part].merge(self.missing, float(values[0]), 0.0)
        varying = [part for part in DATE_PARTS if self.least[part] < self.largest[part]] or ["seconds"]
        return DateColumn(
            self.name,
            fill,
            self.form,
            tuple(part for part in DATE_PARTS if part in varying),
            tuple(self.parts[part].mean for part in DATE_PARTS if part in varying),
            tuple(self.parts[part].scale for part in DATE_PARTS if part in varying),
        )


Learner = NumberLearner | WordLearner | DateLearner


def learner_of(column: Column, most: int) -> Learner:
    """What learns a column; `most` is `dataset.categories.max`."""
    match column.kind:
        case "Number":
            return NumberLearner(column.name)
        case "Date":
            return DateLearner(column.name, column.form)
        case "Category":
            return WordLearner(column.name, most)


def as_read(learned: LearnedColumn, column: Column, spelling: Spelling, markers: tuple[str, ...]) -> LearnedColumn:
    """The learned column, read as the source's was."""
    if isinstance(learned, NumberColumn):
        return replace(learned, style=column.style, is_truth=column.is_truth, markers=markers)
    if isinstance(learned, CategoryColumn):
        return replace(learned, spelling=spelling, markers=markers)
    return replace(learned, markers=markers)


def learner_like(name: str, like: LearnedColumn | None, *, is_word: bool) -> Learner:
    """What learns a prepared column anew, from some of its rows.

    Args:
        name: the column.
        like: as it was learned from the training set, if it was.
        is_word: whether it is one of words where that is not known.
    """
    if isinstance(like, DateColumn):
        return DateLearner(name, like.form)
    if isinstance(like, CategoryColumn) and like.has_other:
        return WordLearner(name, len(like.words) - 1)
    return WordLearner(name) if is_word else NumberLearner(name)


def read_like(learned: LearnedColumn, like: LearnedColumn | None) -> LearnedColumn:
    """The learned column, read as the one that it is like."""
    if isinstance(learned, NumberColumn) and isinstance(like, NumberColumn):
        return replace(learned, style=like.style, is_truth=like.is_truth, markers=like.markers)
    if isinstance(learned, CategoryColumn) and isinstance(like, CategoryColumn):
        return replace(learned, spelling=like.spelling, markers=like.markers)
    return learned if like is None else replace(learned, markers=like.markers)


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
        f"column {name!r} is empty in every row of the training set, so nothing can be learned from it; "
        "list it under dataset.exclude"
    )
