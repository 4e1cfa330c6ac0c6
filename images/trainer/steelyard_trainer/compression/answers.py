"""What a model answers to the rows that it is judged by. Imports numpy and the search rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
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


def search_reader(
    read_training: Callable[[], Labelled], classes: Sequence[str] | None, seed: int
) -> Callable[[], Labelled]:
    """What reads, once, the rows of the training set that say in which order candidates are tested: those that
    `set_aside` deals out.

    A candidate that learns does not learn them. The trained model has learned them: a format of it differs from it
    there as on other rows, a student less; an order that is worse for it costs candidates, and never the promise.

    Args:
        read_training: reads the training set as the model takes it.
        classes: the labels; None for regression.
        seed: that of the training.

    Returns:
        Gives the rows; of a training set of fewer than five all of them.
    """

    @cache
    def read() -> Labelled:
        training = read_training()
        _, rows = set_aside(np.asarray(training.targets), None if classes is None else len(classes), seed)
        return SearchRows(training.features[rows], training.targets[rows]) if len(rows) else training

    return read
