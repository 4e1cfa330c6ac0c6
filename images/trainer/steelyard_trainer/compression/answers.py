"""What a model answers to the rows that it is judged by. Imports numpy and the search rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from steelyard_trainer.compression.search_rows import set_aside
from steelyard_trainer.data.labelled import Labelled


@dataclass(frozen=True)
class Answers:
    """A model's outputs, shape (rows, classes): probabilities; of a regression (rows, 1)."""

    search: npt.NDArray[Any]
    """To the search rows, which say in which order candidates are tested."""
    validation: npt.NDArray[Any]
    """To the validation set, which proves."""

    @property
    def are_finite(self) -> bool:
        """Whether all are numbers."""
        return bool(np.isfinite(self.search).all() and np.isfinite(self.validation).all())


@dataclass(frozen=True)
class SearchRows:
    """Some of the training rows, as the model takes them."""

    features: Any
    targets: npt.NDArray[Any]


def read_search_rows(read_training: Callable[[], Labelled], classes: int | None, seed: int) -> Labelled:
    """The rows of the training set that say in which order candidates are tested: those that `set_aside` deals out.

    Where a candidate learns, it learns none of them. The trained model has learned them where only formats of it are
    made; that makes the order no worse, as a format differs from it on rows that it has learned as on others.

    Args:
        read_training: reads the training set as the model takes it.
        classes: how many classes there are; None for regression.
        seed: that of the training.

    Returns:
        The rows; of a training set of fewer than five all of them.
    """
    training = read_training()
    _, rows = set_aside(np.asarray(training.targets), classes, seed)
    return SearchRows(training.features[rows], training.targets[rows]) if len(rows) else training
