"""Judges a model on every part of the data. Imports the metrics.

Used by the stage finish for the chosen model, and by the stage train where no stage finish follows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from steelyard.api.errors import DataError
from steelyard.api.metrics import Measure
from steelyard.api.training_job import TrainingJobSpec
from steelyard.contract.report import ErrorsReport
from steelyard.contract.summaries import ModelSummary, NaiveSummary
from steelyard.serving.interface import ServedModel
from steelyard_trainer.data.labelled import Labelled
from steelyard_trainer.data.reading import PreparedDataset
from steelyard_trainer.data.splitting import SPLITS, SplitName
from steelyard_trainer.evaluation.evidence import Naive, doubts, errors_of, naive_model
from steelyard_trainer.evaluation.metrics import Figures, evaluate

_LONGEST_LABEL = 80

Read = Callable[[Sequence[SplitName]], Labelled]
"""Gives the rows of some parts, as the model takes them."""


@dataclass(frozen=True)
class Judgement:
    """How good a model is, and what that is read beside."""

    primary: Measure
    """What decides."""
    figures: dict[SplitName, Figures]
    naive: Naive
    errors: ErrorsReport
    """Where it errs on the test set."""
    doubts: list[str]
    outputs: npt.NDArray[Any]
    """What it says of the test set."""

    @property
    def summary(self) -> ModelSummary:
        """What a result's summary says of it: each metric with its standard error, what decides first; the naive
        model's value of that; what makes them doubtful."""
        test, name = self.figures["test"], self.primary.name
        return ModelSummary(
            metric=name,
            metrics={each: (test[each].value, test[each].standard_error) for each in dict.fromkeys([name, *test])},
            naive=_said(self.naive.says, self.naive.values[name]),
            doubts=self.doubts or None,
        )


def judge_parts(
    model: ServedModel, read: Read, dataset: PreparedDataset, spec: TrainingJobSpec, *, is_refit: bool = False
) -> Judgement:
    """The model on each part.

    Args:
        model: takes preprocessed rows.
        read: gives them.
        dataset: says what it does.
        spec: says what is told.
        is_refit: whether all rows but the test set's were trained on. They are counted to `train` then, as the others
            say no more.

    Raises:
        DataError: an output is not a finite number.
    """
    learned = dataset.learned(is_refit=is_refit)
    parts: list[tuple[SplitName, ...]] = [learned, ("test",)] if is_refit else [(split,) for split in SPLITS]
    measures = spec.published_measures(dataset.task)
    figures: dict[SplitName, Figures] = {}
    for splits in parts:
        examples = read(splits)
        outputs = model.predict(examples.features)
        found = evaluate(dataset.task, examples.targets, outputs, measures, dataset.classes)
        if found is None:
            raise DataError(f"the model's outputs on the {splits[0]} set are not finite numbers")
        figures[splits[0]] = found
        if splits == learned:
            trained = examples.targets
    # The last part is the test set.
    return judgement_of(spec, dataset, figures, trained, examples.targets, outputs)


def judgement_of(
    spec: TrainingJobSpec,
    dataset: PreparedDataset,
    figures: dict[SplitName, Figures],
    trained: npt.NDArray[Any],
    targets: npt.NDArray[Any],
    outputs: npt.NDArray[Any],
) -> Judgement:
    """The figures with what they are read beside.

    Args:
        spec: the job's.
        dataset: its data.
        figures: of each part.
        trained: the targets of the rows that were trained on.
        targets: those of the test set.
        outputs: what the model says of the test set.
    """
    primary = spec.measure(dataset.task)
    naive = naive_model(spec.published_measures(dataset.task), dataset.classes, trained, targets)
    doubtful = doubts(primary, figures["test"], naive, dataset.findings, sum(dataset.rows.values()))
    return Judgement(primary, figures, naive, errors_of(dataset.classes, targets, outputs), doubtful, outputs)


def _said(says: str | float, value: float) -> NaiveSummary:
    """What the naive model says; a label as a status has room for it."""
    if not isinstance(says, str):
        return NaiveSummary(mean=says, value=value)
    return NaiveSummary(label=says if len(says) <= _LONGEST_LABEL else says[: _LONGEST_LABEL - 1] + "…", value=value)
