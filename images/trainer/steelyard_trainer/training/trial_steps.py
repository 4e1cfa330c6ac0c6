"""What a trial of a network says after its epochs, and when it gives up. Pure. Imports steelyard.api and the rule of
pruning.

Every worker computes the same values of the same figures, and so all of them give up after the same epoch.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.api.step_values import single
from steelyard.api.trial import Trial
from steelyard_trainer.evaluation.pruning import should_stop

MOST_SHOWN = 24
"""Values that a progress line repeats, the newest ones: a status has room for 32 figures."""


@dataclass(frozen=True)
class TrialSteps:
    """The epochs of a trial."""

    trial: Trial
    target_scale: float = 1.0
    """Regression: the unit of the standardized target."""
    target_variance: float = 0.0
    """Regression: that of the validation part's targets, in their own unit."""

    def is_reported(self, epoch: int) -> bool:
        """Whether the value after an epoch (from 1) is kept."""
        return epoch in self.trial.report_steps or any(limit.step == epoch for limit in self.trial.limits)

    def value(self, loss: float, metric: float) -> float:
        """The trial's metric on the validation part, in single precision as the network computes: so it takes half of
        the room in the log.

        Args:
            loss: mean cross-entropy, or mean squared error of the standardized target, without penalties.
            metric: accuracy, or mean absolute error of the standardized target.
        """
        return single(self._value(loss, metric))

    def _value(self, loss: float, metric: float) -> float:
        squared_error = loss * self.target_scale**2
        match self.trial.metric:
            case "accuracy":
                return metric
            case "logLoss":
                return loss
            case "mae":
                return metric * self.target_scale
            case "rmse":
                return math.sqrt(squared_error)
            case "r2":
                # As the metrics have it where there is nothing to explain.
                return 1 - squared_error / self.target_variance if self.target_variance > 0 else 0.0
            case "macroF1":
                raise ValueError("macroF1 is no mean over rows; the manifest's rules refuse it here")

    def should_stop(self, reports: Sequence[tuple[int, float]]) -> bool:
        """Whether the trial is hopeless, by the values of the reported epochs so far."""
        return should_stop(self.trial, reports)


def shown(reports: Sequence[tuple[int, float]]) -> dict[str, float]:
    """The values as figures of a progress line, so that a late reader misses none."""
    return {f"step_{epoch}": value for epoch, value in reports[-MOST_SHOWN:]}
