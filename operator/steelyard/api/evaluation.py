"""`spec.evaluation`: what a model is judged by. Imports the api only."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from steelyard.api.base import Part, Share, refuse
from steelyard.api.metrics import AT_MOST_ONE, OF_LABELS, Measure, Metric

Label = Annotated[str, Field(min_length=1, max_length=200)]
"""A class, as it is written in the data."""


def check_label(metric: Metric | None, label: str | None) -> None:
    """Refuses a label beside a metric that takes none. Raises PydanticCustomError."""
    if label is not None and (metric is None or metric not in OF_LABELS):
        raise refuse(
            "label", "a label goes with one of the metrics {allowed}; leave it out", allowed=", ".join(OF_LABELS)
        )


class Requirement(Part):
    """A bound on one metric of the chosen model on the test set."""

    metric: Metric
    """Classification: accuracy, macroF1, logLoss, rocAuc, averagePrecision, balancedAccuracy, precision, recall, f1;
    regression: r2, mape, and rmse, mae, medianAe in the target's unit. docs/metrics.md says what each is."""
    label: Label | None = None
    """Of rocAuc, averagePrecision, precision, recall and f1: the class that the figure is of, as it is written in the
    data (in quotes where it is a number). Default: all classes, averaged."""
    minimum: float | None = None
    """The least value that is good enough; at most 1 for metrics that are at most 1 (0.9, not 90)."""
    maximum: float | None = None
    """The largest value that is good enough."""

    @property
    def measure(self) -> Measure:
        """What is bounded."""
        return Measure(self.metric, self.label)

    @model_validator(mode="after")
    def _label_fits_metric(self) -> Self:
        check_label(self.metric, self.label)
        return self

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if self.minimum is None and self.maximum is None:
            raise refuse("minimum", "a requirement needs a minimum, a maximum or both")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise refuse(
                "minimum",
                "the minimum {low} is above the maximum {high}",
                low=f"{self.minimum:.15g}",
                high=f"{self.maximum:.15g}",
            )
        for field, bound in (("minimum", self.minimum), ("maximum", self.maximum)):
            if bound is not None and bound > 1 and self.metric in AT_MOST_ONE:
                raise refuse(
                    field, "{bound} is not allowed; {metric} is at most 1", bound=f"{bound:.15g}", metric=self.metric
                )
        return self


class CrossValidation(Part):
    """Scores on folds as scikit-learn's `cross_val_score(cv=FOLDS)` makes them: StratifiedKFold for classes, KFold for
    numbers, without shuffling, over all rows but the test set in the source's order. What fills gaps and scales is
    learned inside each fold."""

    folds: Annotated[int, Field(ge=2, le=20)] = 5
    """How many; each is scored by a model that was fitted on the others."""


class Evaluation(Part):
    """What a model is judged by, and gates: a model that does not meet them is not published, and the job fails with
    reason GateFailed."""

    metric: Metric | None = None
    """What decides, on the validation set: which epoch of a network is the best, which compressed model is within
    compression.maxMetricDrop, and what a TuningJob searches for unless it says otherwise. Default: accuracy
    (regression: r2); of the epochs the least val_loss, or what training.earlyStopping.monitor says."""
    label: Label | None = None
    """Of rocAuc, averagePrecision, precision, recall and f1: the class that the metric is of, as it is written in the
    data (in quotes where it is a number). Default: all classes, averaged."""
    require: Annotated[list[Requirement], Field(max_length=16)] = []
    """Bounds on the chosen model's metrics on the test set."""
    cross_validation: CrossValidation | None = None
    """Scores on folds beside those on the split's parts; for scikit-learn's models."""
    max_generalization_gap: Share | None = None
    """The most by which the chosen model's evaluation.metric may be better on the training set than on the test set;
    of rmse, mae and medianAe as a share of that on the training set."""

    @property
    def measure(self) -> Measure | None:
        """What decides, where the manifest says it."""
        return None if self.metric is None else Measure(self.metric, self.label)

    @model_validator(mode="after")
    def _label_fits_metric(self) -> Self:
        check_label(self.metric, self.label)
        return self
