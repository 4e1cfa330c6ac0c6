"""What a function of the user's own is told of the data. Imports steelyard.api; serving for types only."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from steelyard.api.metrics import Task

if TYPE_CHECKING:
    from steelyard.serving.preprocessing import Preprocessing


@dataclass(frozen=True)
class DataShape:
    """What the data asks of a model."""

    features: int
    """How many numbers a row has: a column of numbers one, a category one for each of its words."""
    feature_names: tuple[str, ...]
    """Their names, in the table's order; of a category COLUMN=WORD."""
    classes: tuple[str, ...] | None
    """Classification: the labels, in the order of the model's outputs; None for regression."""
    task: Task
    """Classification or Regression."""
    seed: int
    """spec.training.seed: what is drawn from it is drawn again after a restart, and alike on every worker."""

    @property
    def outputs(self) -> int:
        """How many numbers the model gives for a row: one for each class; 1 for regression."""
        return 1 if self.classes is None else len(self.classes)

    @classmethod
    def of(cls, preprocessing: "Preprocessing", seed: int) -> Self:
        """Of a prepared table, as the model takes it."""
        names, classes = tuple(preprocessing.feature_names), preprocessing.classes
        task: Task = "Regression" if classes is None else "Classification"
        return cls(len(names), names, None if classes is None else tuple(classes), task, seed)
