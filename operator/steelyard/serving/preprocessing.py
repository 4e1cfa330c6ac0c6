"""From raw cells to the model's input, with figures learned from the training set. Imports numpy, cells and the api.

The trainer learns these figures and publishes them beside the model; training, evaluation and prediction all go
through `Preprocessing.transform`, so that they can't differ.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar, overload

import numpy as np
import numpy.typing as npt

from steelyard.api.errors import DataError
from steelyard.api.metrics import Task
from steelyard.cells.csv_text import CsvStyle
from steelyard.cells.missing import MISSING_LABELS, MISSING_NUMBERS
from steelyard.cells.numbers import PLAIN, NumberStyle, finite_number
from steelyard.cells.words import Spelling, word_of
from steelyard.serving.column_documents import column_from_json
from steelyard.serving.gaps import Cells
from steelyard.serving.input_columns import Column, NumberColumn
from steelyard.serving.interface import TargetUnit
from steelyard.serving.tally import Tally

Float = TypeVar("Float", np.float32, np.float64)


@dataclass(frozen=True)
class Preprocessing:
    """All that prediction must know of the data beside the model itself."""

    columns: tuple[Column, ...]
    """The features, in the table's order."""
    target: str
    task: Task
    classes: tuple[str, ...] | None = None
    """Classification: the labels as they were written, in the order of the model's outputs."""
    target_mean: float = 0.0
    """Regression: mean of the training set's target, in its own unit."""
    target_scale: float = 1.0
    """Regression: standard deviation of the training set's target; 1 where it does not vary."""
    target_spelling: Spelling = "Values"
    """Classification: how the training table's labels are spelled."""
    target_style: NumberStyle = PLAIN
    """Regression: how the target's texts are written."""
    missing_markers: tuple[str, ...] = ()
    """What stands for a missing cell in every column, as the manifest says; the columns hold it too."""
    csv: CsvStyle | None = None
    """How the training table's CSV file was written, where the manifest says so, for reading others like it."""

    @property
    def target_unit(self) -> TargetUnit | None:
        """Regression: from the standardized target to the target and back."""
        return TargetUnit(self.target_mean, self.target_scale) if self.task == "Regression" else None

    @property
    def width(self) -> int:
        """How many inputs the model has."""
        return sum(len(column.feature_names) for column in self.columns)

    @property
    def feature_names(self) -> list[str]:
        """The names of the model's inputs, in order: the column's name, for categories COLUMN=WORD."""
        return [name for column in self.columns for name in column.feature_names]

    @overload
    def transform(
        self, table: Mapping[str, Cells], first_row: int = 1, *, scaled: bool = True, tally: Tally | None = None
    ) -> npt.NDArray[np.float32]: ...

    @overload
    def transform(
        self,
        table: Mapping[str, Cells],
        first_row: int = 1,
        *,
        dtype: type[Float],
        scaled: bool = True,
        tally: Tally | None = None,
    ) -> npt.NDArray[Float]: ...

    def transform(
        self,
        table: Mapping[str, Cells],
        first_row: int = 1,
        *,
        dtype: Any = np.float32,
        scaled: bool = True,
        tally: Tally | None = None,
    ) -> npt.NDArray[Any]:
        """The model's input.

        Args:
            table: cells by column; columns that are no features are ignored.
            first_row: the number that errors give the first row; for a table that is read in batches.
            dtype: float32 for networks, float64 for scikit-learn's models.
            scaled: whether numbers are shifted and scaled; gaps are filled either way.
            tally: counts the cells that were filled, or whose word training has not seen.

        Returns:
            Of that type, shape (rows, width), C order.

        Raises:
            DataError: a column is missing, columns differ in length, or a cell can't be used.
        """
        if absent := [column.name for column in self.columns if column.name not in table]:
            raise DataError(
                f"the input lacks the {_columns(absent)}; the model was trained on "
                f"{', '.join(column.name for column in self.columns)}; there are {', '.join(table) or 'none'}"
            )
        lengths = {column.name: len(table[column.name]) for column in self.columns}
        if len(set(lengths.values())) != 1:
            raise DataError(f"the columns differ in length: {lengths}")
        # Filled in place: a table must not be held twice.
        features = np.empty((next(iter(lengths.values())), self.width), dtype=dtype)
        start = 0
        for column in self.columns:
            end = start + len(column.feature_names)
            features[:, start:end] = column.transform(table[column.name], first_row, scaled=scaled, tally=tally)
            start = end
        return features

    def unscaled(self) -> "Preprocessing":
        """The same for a model that takes numbers as they are: its `transform` needs no `scaled=False`."""
        return replace(self, columns=tuple(column.unscaled() for column in self.columns))

    def target_cells(self, cells: Cells, first_row: int = 1) -> list[str | None] | list[float | None]:
        """Given targets as the model says them, to compare its predictions with; None for missing ones.

        Args:
            cells: as they were read.
            first_row: the number that errors give the first row.

        Raises:
            DataError: a regression's target is no number.
        """
        if self.classes is not None:
            # Where all labels are numbers, "NA" is none.
            are_numbers = all(finite_number(label) is not None for label in self.classes)
            missing = (MISSING_NUMBERS if are_numbers else MISSING_LABELS).union(self.missing_markers)
            return [word_of(cell, self.target_spelling, missing) for cell in cells]
        reader = NumberColumn(self.target, None, 0.0, 1.0, self.target_style, markers=self.missing_markers)
        numbers = reader.numbers(cells, first_row)
        return [None if np.isnan(number) else float(number) for number in numbers]

    def labels(self, outputs: npt.ArrayLike) -> list[str] | list[float]:
        """What the model says of each row.

        Args:
            outputs: shape (rows, classes), or (rows, 1) for regression.

        Returns:
            Classification: the most probable class's label as it was written; regression: the number.
        """
        values = np.asarray(outputs)
        if self.classes is None:
            return [float(value) for value in values.reshape(-1)]
        return [self.classes[index] for index in values.argmax(axis=1)]

    def to_json(self) -> dict[str, Any]:
        """JSON values from which `from_json` makes an equal object; floats keep every bit."""
        return {
            "target": self.target,
            "task": self.task,
            "classes": None if self.classes is None else list(self.classes),
            "targetMean": self.target_mean,
            "targetScale": self.target_scale,
            "targetSpelling": self.target_spelling,
            "targetStyle": self.target_style.to_json(),
            "missingMarkers": list(self.missing_markers),
            "csv": None if self.csv is None else self.csv.to_json(),
            "columns": [column.to_json() for column in self.columns],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Preprocessing":
        """Raises KeyError, TypeError or ValueError where the document is not one of `to_json`."""
        task: Literal["Classification", "Regression"] = document["task"]
        classes = document["classes"]
        # What older versions did not write has the meaning that it had then.
        markers = tuple(document.get("missingMarkers", ()))
        csv = document.get("csv")
        return cls(
            columns=tuple(column_from_json(column, markers) for column in document["columns"]),
            target=document["target"],
            task=task,
            classes=None if classes is None else tuple(classes),
            target_mean=float(document["targetMean"]),
            target_scale=float(document["targetScale"]),
            target_spelling=document.get("targetSpelling", "AsWritten"),
            target_style=NumberStyle.from_json(document.get("targetStyle", {})),
            missing_markers=markers,
            csv=None if csv is None else CsvStyle.from_json(csv),
        )


def _columns(names: Iterable[str]) -> str:
    quoted = [repr(name) for name in names]
    return ("column " if len(quoted) == 1 else "columns ") + ", ".join(quoted)
