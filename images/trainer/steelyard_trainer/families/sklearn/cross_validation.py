"""Folds as `cross_val_score(cv=FOLDS)` makes them, and a model's scores on them. Imports scikit-learn.

What fills, scales and encodes is learned inside each fold, from the rows that the model is fitted on.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import KFold, StratifiedKFold

from steelyard.api.dataset import MissingValues
from steelyard.api.errors import ConfigurationError
from steelyard.api.metrics import Measure, Task
from steelyard.api.training_job import TrainingJobSpec
from steelyard.serving.preprocessing import Preprocessing
from steelyard_trainer.families.sklearn.build import Estimator, build_estimator, form_of
from steelyard_trainer.families.sklearn.features import Form, Indices, Matrix, Table, categories_of
from steelyard_trainer.families.sklearn.fitting import fit
from steelyard_trainer.families.sklearn.forests import depth_of, nested_predictions
from steelyard_trainer.families.sklearn.scores import Predictions, finite, predictions_of, score


@dataclass(frozen=True)
class FoldData:
    """The two sides of a fold, ready for a model."""

    features: Matrix
    """Of the rows that are learned."""
    targets: npt.NDArray[np.generic]
    scored_features: Matrix
    scored_targets: npt.NDArray[np.generic]
    categories: int
    """How many of the features, the first ones, are codes of categories."""


@dataclass
class Folds:
    """All rows but the test set's, dealt to folds."""

    table: Table
    """In the source's order."""
    count: int
    missing_values: MissingValues
    like: Preprocessing
    """Gives target, task and classes."""
    _learned: dict[int, Preprocessing] = field(default_factory=dict)
    _sides: list[tuple[Indices, Indices]] = field(init=False)

    def __post_init__(self) -> None:
        self._sides = _deal(self.table, self.like.task, self.count)

    @property
    def classes(self) -> int | None:
        """Classification: how many there are."""
        return None if self.like.classes is None else len(self.like.classes)

    def fold(self, index: int, form: Form) -> FoldData:
        """A fold, from 0. Raises DataError where it has nothing to learn from."""
        learned, scored = (self.table.take(rows) for rows in self._sides[index])
        is_learned = form == "Scaled" or not self.table.is_plain
        keeps_gaps = self.missing_values.strategy != "Constant"
        preprocessing = learned.taken_as(
            form, self._learn(index, learned) if is_learned else self.like, keeps_gaps=keeps_gaps
        )
        return FoldData(
            learned.features(preprocessing),
            learned.targets,
            scored.features(preprocessing),
            scored.targets,
            categories_of(preprocessing),
        )

    def _learn(self, index: int, learned: Table) -> Preprocessing:
        if index not in self._learned:
            self._learned[index] = learned.learn(self.missing_values, self.like)
        return self._learned[index]


def _deal(table: Table, task: Task, count: int) -> list[tuple[Indices, Indices]]:
    """(the rows that are learned, the rows that are scored) of each fold."""
    kind = StratifiedKFold if task == "Classification" else KFold
    with warnings.catch_warnings():
        # A class with fewer rows than folds: as in scikit-learn, some folds go without it.
        warnings.simplefilter("ignore", UserWarning)
        try:
            return list(kind(n_splits=count).split(table.targets, table.targets))
        except ValueError as error:
            raise ConfigurationError(
                f"spec.evaluation.crossValidation.folds: {count} folds can't be made of {len(table):,} rows: {error}"
            ) from None


def score_fold(spec: TrainingJobSpec, folds: Folds, index: int, measures: Sequence[Measure]) -> dict[str, float]:
    """Fits the model on all folds but one and scores it there, by `Measure.name`. Raises as `nested_scores`."""
    estimator, data = _fitted(spec, folds, index)
    said = predictions_of(estimator, data.scored_features, folds.classes)
    return {measure.name: _score(measure, data, said, folds, index) for measure in measures}


def nested_scores(
    spec: TrainingJobSpec, folds: Folds, index: int, measure: Measure, sizes: Sequence[int]
) -> tuple[dict[int, float], int]:
    """The score of each forest of the first trees, by their number, and the depth of all trees together; the forest is
    grown once.

    Args:
        spec: a forest of as many trees as the largest size.
        folds: the rows.
        index: which fold is scored, from 0.
        measure: what is told.
        sizes: numbers of trees.

    Raises:
        ConfigurationError: the settings do not go with the rows.
        DataError: a fold has nothing to learn from, or no finite score, or rows that the model refuses.
    """
    forest, data = _fitted(spec, folds, index)
    said = nested_predictions(forest, sizes, data.scored_features, folds.classes)
    return {size: _score(measure, data, each, folds, index) for size, each in said}, depth_of(forest)


def _fitted(spec: TrainingJobSpec, folds: Folds, index: int) -> tuple[Estimator, FoldData]:
    """The model that all folds but one make, and that one."""
    data = folds.fold(index, form_of(spec))
    names = folds.like.unscaled().feature_names if spec.model.entrypoint else ()
    estimator = build_estimator(spec, folds.like.task, folds.like.classes, names=names)
    fit(estimator, spec, data.features, data.targets, categories=data.categories)
    return estimator, data


def _score(measure: Measure, data: FoldData, said: Predictions, folds: Folds, index: int) -> float:
    value = score(measure, data.scored_targets, said, folds.like.classes)
    return finite(measure, value, f"fold {index + 1}")
