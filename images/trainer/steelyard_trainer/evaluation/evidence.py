"""What a model's figures are read beside: those of a model that ignores the features, where the model errs, and what
makes the figures doubtful. Imports numpy, steelyard.api and the metrics.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from steelyard.api.metrics import Measure
from steelyard.contract.report import (
    ConfusedPair,
    ConfusedReport,
    ConfusionReport,
    ErrorsReport,
    NaiveReport,
    ResidualsReport,
)
from steelyard.texts.figures import counted
from steelyard_trainer.data.words import listed
from steelyard_trainer.evaluation.metrics import Figures, class_index_of, value_of

MOST_CONFUSION_CLASSES = 30
"""Of more classes the pairs that are confused most often are told, as many."""
_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_MOST_GROUPS = 3
_LONGEST = 240
"""Characters of a doubt: a result has little room."""
_DOUBTFUL_REPEATS = 0.01
"""Of the rows: fewer that repeat another one are no finding."""


@dataclass(frozen=True)
class Naive:
    """A model that says the same of every row: the commonest label of the rows that were trained on, or their mean."""

    says: str | float
    values: Mapping[str, float]
    """On the test set, by `Measure.name`."""

    @property
    def report(self) -> NaiveReport:
        """As steelyard.json has it."""
        return NaiveReport(says=self.says, test=dict(self.values))


def naive_model(
    measures: Sequence[Measure],
    classes: Sequence[str] | None,
    trained: npt.NDArray[Any],
    targets: npt.NDArray[Any],
) -> Naive:
    """What ignoring the features achieves: scikit-learn's DummyClassifier(strategy="prior") and DummyRegressor().

    Args:
        measures: what is told.
        classes: the labels; None for regression.
        trained: the targets of the rows that were trained on.
        targets: those of the test set.
    """
    says: str | float
    if classes is None:
        says = float(trained.mean(dtype=np.float64))
        outputs = np.full((1, 1), says)
    else:
        counts = np.bincount(trained, minlength=len(classes))
        outputs = (counts / counts.sum())[np.newaxis]
        says = classes[int(counts.argmax())]
    rows = np.repeat(outputs, len(targets), axis=0)
    values = {each.name: value_of(each, targets, rows, class_index_of(each, classes)) for each in measures}
    return Naive(says, values)


def errors_of(classes: Sequence[str] | None, targets: npt.NDArray[Any], outputs: npt.NDArray[Any]) -> ErrorsReport:
    """Where a model errs.

    Args:
        classes: the labels; None for regression.
        targets: shape (rows,).
        outputs: the model's, shape (rows, classes) or (rows, 1).

    Returns:
        `confusion`: for each label how often each label was said, a row for each label that is right; of more than
        MOST_CONFUSION_CLASSES labels `confused`: the pairs that were most often confused. Of numbers `residuals`:
        quantiles of target - prediction.
    """
    if classes is None:
        residuals = np.asarray(targets, np.float64) - np.asarray(outputs, np.float64)[:, 0]
        found = np.quantile(residuals, _QUANTILES)
        return ResidualsReport(
            residuals={f"{share:g}": float(value) for share, value in zip(_QUANTILES, found, strict=True)}
        )
    count = len(classes)
    cells = np.bincount(targets.astype(np.int64) * count + outputs.argmax(axis=1), minlength=count**2)
    if count <= MOST_CONFUSION_CLASSES:
        return ConfusionReport(confusion=cells.reshape(count, count).tolist())
    cells[:: count + 1] = 0
    worst = [int(cell) for cell in np.argsort(-cells, kind="stable")[:MOST_CONFUSION_CLASSES] if cells[cell]]
    return ConfusedReport(
        confused=[
            ConfusedPair(label=classes[cell // count], said=classes[cell % count], rows=int(cells[cell]))
            for cell in worst
        ]
    )


def doubts(primary: Measure, test: Figures, naive: Naive, findings: Mapping[str, Any], rows: int) -> list[str]:
    """What makes the figures doubtful, a sentence each.

    Args:
        primary: what decides.
        test: the model's figures on the test set.
        naive: those of a model that ignores the features.
        findings: what prepare found in the data.
        rows: how many were kept.
    """
    found = []
    repeated = int(findings.get("duplicateRows", 0))
    if repeated >= _DOUBTFUL_REPEATS * rows:
        found.append(
            f"{repeated:,} of {rows:,} rows ({repeated / rows:.0%}) repeat an earlier one: rows of the test set may "
            "have been trained on, which flatters the figures"
        )
    if equal := findings.get("featuresEqualToTarget"):
        found.append(f"{listed(list(equal))} says the target already; exclude it if it is not known beforehand")
    found += [_look_alike(group) for group in (findings.get("lookAlikeLabels") or [])[:_MOST_GROUPS]]
    figure, reference = test[primary.name], naive.values[primary.name]
    sign = 1.0 if primary.info.goal == "Maximize" else -1.0
    if sign * (figure.value - reference) <= figure.standard_error:
        found.append(
            f"{primary.name} {figure} on the test set is no better than {reference:.4g}, which a model has that "
            f"ignores the features, {_always(naive.says)}"
        )
    return [doubt if len(doubt) <= _LONGEST else doubt[: _LONGEST - 1] + "…" for doubt in found]


def _look_alike(group: Mapping[str, int]) -> str:
    return "labels look alike: " + ", ".join(f"{label!r} ({counted(count, 'row')})" for label, count in group.items())


def _always(says: str | float) -> str:
    return f"always saying '{says}'" if isinstance(says, str) else f"always saying the mean, {says:.6g}"
