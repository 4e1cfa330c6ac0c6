"""Which metrics of the validation set are told after each epoch, and what they are. Imports steelyard.api, numpy and,
for metrics that are no sums over the rows, the formulas (scikit-learn).

Every worker has the same figures: sums are reduced over all of them; what needs all outputs is computed by worker 0.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.api.metrics import METRICS, Measure, Metric
from steelyard.api.training_job import TrainingJobSpec
from steelyard.serving.interface import TargetUnit


@dataclass(frozen=True)
class EpochMetrics:
    """The metrics of a training's epochs."""

    told: tuple[Measure, ...]
    """Those that are told after each epoch, as val_METRIC."""
    decides: Measure | None
    """What says which epoch is the best; None: the monitored figure does."""
    targets: NDArray[Any]
    """Of the validation set, all of it: shape (rows,), class indices, or numbers in their own unit."""
    classes: Sequence[str] | None
    """The labels; None for regression."""
    target_mean: float = 0.0
    """Regression: what the standardized target is shifted by."""
    target_scale: float = 1.0
    """Regression: the unit of the standardized target."""
    has_own_loss: bool = False
    """Whether the loss is a user's own, which says nothing of the metrics."""

    @classmethod
    def of(
        cls,
        spec: TrainingJobSpec,
        targets: NDArray[Any],
        classes: Sequence[str] | None,
        target_mean: float,
        target_scale: float,
    ) -> "EpochMetrics":
        """What a manifest asks for: evaluation.metric, and what ends the training where that is another metric."""
        decides, stopping = spec.evaluation.measure, spec.training.early_stopping
        monitor = (stopping.monitor or "") if stopping else ""
        watched = monitor.removeprefix("val_")
        told = [] if decides is None else [decides]
        if monitor.startswith("val_") and (decides is None or decides.metric != watched):
            told += [Measure(name) for name in METRICS if name == watched]
        return cls(tuple(told), decides, targets, classes, target_mean, target_scale)

    def values(self, measures: Sequence[Measure], loss: float, metric: float) -> dict[Measure, float]:
        """Those of some metrics that are functions of sums over the rows.

        Args:
            measures: any.
            loss: mean cross-entropy, or mean squared error of the standardized target, without penalties.
            metric: accuracy, or mean absolute error of the standardized target.
        """
        return {each: self._of_sums(each.metric, loss, metric) for each in measures if self.is_of_sums(each)}

    def is_of_sums(self, measure: Measure) -> bool:
        """Whether a metric is a function of the sums that each step gives."""
        return measure.info.of_sums and (not self.has_own_loss or measure.metric in ("accuracy", "mae"))

    def _of_sums(self, name: Metric, loss: float, metric: float) -> float:
        squared_error = loss * self.target_scale**2
        match name:
            case "accuracy":
                return metric
            case "logLoss":
                return loss
            case "mae":
                return metric * self.target_scale
            case "rmse":
                return math.sqrt(squared_error)
            case "r2":
                variance = float(self.targets.var(dtype=np.float64))
                # As the metrics have it where there is nothing to explain.
                return 1 - squared_error / variance if variance > 0 else 0.0
        raise ValueError(f"{name} is no function of sums over the rows")

    def values_of_outputs(self, measures: Sequence[Measure], outputs: NDArray[Any]) -> dict[Measure, float]:
        """Those of the other metrics.

        Args:
            measures: any.
            outputs: of the network for all validation rows: shape (rows, classes), probabilities; or (rows, 1), the
                standardized target. NaN is the value of every metric where one is not finite.
        """
        wanted = [each for each in measures if not self.is_of_sums(each)]
        if not np.isfinite(outputs).all():
            return dict.fromkeys(wanted, math.nan)
        # Brings scikit-learn, which a training whose metrics are sums does not need.
        from steelyard_trainer.evaluation.metrics import class_index_of, value_of

        unit = TargetUnit(self.target_mean, self.target_scale)
        shown = outputs if self.classes is not None else unit.restored(outputs)
        return {each: value_of(each, self.targets, shown, class_index_of(each, self.classes)) for each in wanted}
