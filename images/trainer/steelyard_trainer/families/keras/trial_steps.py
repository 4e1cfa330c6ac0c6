"""What a trial of a network says after its epochs, and when it gives up. Pure. Imports steelyard.api and the rule of
pruning.

Every worker computes the same values of the same figures, and so all of them give up after the same epoch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.api.trial import Trial
from steelyard_trainer.evaluation.pruning import should_stop

MOST_SHOWN = 24
"""Values that a progress line repeats, the newest ones: a status has room for 32 figures."""


@dataclass(frozen=True)
class TrialSteps:
    """The epochs of a trial."""

    trial: Trial

    def is_reported(self, epoch: int) -> bool:
        """Whether the value after an epoch (from 1) is kept."""
        return epoch in self.trial.report_steps or any(limit.step == epoch for limit in self.trial.limits)

    def should_stop(self, reports: Sequence[tuple[int, float]]) -> bool:
        """Whether the trial is hopeless, by the values of the reported epochs so far."""
        return should_stop(self.trial, reports)


def shown(reports: Sequence[tuple[int, float]]) -> dict[str, float]:
    """The values as figures of a progress line, so that a late reader misses none."""
    return {f"step_{epoch}": value for epoch, value in reports[-MOST_SHOWN:]}
