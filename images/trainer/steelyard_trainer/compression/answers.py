"""What a model answers to the rows that it is judged by. Imports numpy and the prepared data."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from steelyard_trainer.data.labelled import Labelled
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.data.search_rows import set_aside
from steelyard_trainer.data.splitting import SplitName


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


def search_reader(read: Callable[[SplitName], Labelled], dataset: PreparedDataset, seed: int) -> Callable[[], Labelled]:
    """What reads, once, the rows that say in which order candidates are tested: those that were set aside before
    anything was trained, or, where none were, those of the training set that `set_aside` deals out.

    A network that learns does not learn them either way; trees that are fitted anew learn what the model learned. A
    trained model that has learned them looks better there: a
    format of it differs from it as on other rows, a student more; an order that is worse for it costs candidates, and
    never the promise.

    Args:
        read: reads a part of the data as the model takes it.
        dataset: says which parts it has.
        seed: that of the training.

    Returns:
        Gives the rows; of a training set of fewer than five, of which none are set aside, all of them.
    """

    @cache
    def rows() -> Labelled:
        if dataset.has_search_rows:
            return read("search")
        training, classes = read("train"), dataset.classes
        _, some = set_aside(np.asarray(training.targets), None if classes is None else len(classes), seed)
        return SearchRows(training.features[some], training.targets[some]) if len(some) else training

    return rows
