"""When a trial gives up: a pure function of what it was asked with and of its values so far. Imports steelyard.api.

Networks ask it after each epoch, scikit-learn's models after each fold.
"""

import math
import statistics
from collections.abc import Sequence

from steelyard.api.trial import PairedLimit, Trial
from steelyard.search.best import is_better

Steps = Sequence[tuple[int, float]]
"""(step, value) of the epochs or folds that are done, in order; steps count from 1."""


def should_stop(trial: Trial, steps: Steps) -> bool:
    """Whether the trial ends here, pruned: at its last step, or, where it was started again, at one before."""
    return stopping_step(trial, steps) is not None


def stopping_step(trial: Trial, steps: Steps) -> int | None:
    """The first step whose value, or that of the folds up to it, is hopeless; None where the trial goes on."""
    worst = {limit.step: limit.value for limit in trial.limits}
    for count, (step, value) in enumerate(steps, start=1):
        if step in worst and is_better(worst[step], value, trial.goal):
            return step
        if trial.paired_limit is not None and _is_behind(trial, trial.paired_limit, steps[:count]):
            return step
    return None


def _is_behind(trial: Trial, limit: PairedLimit, folds: Steps) -> bool:
    """Whether the mean difference to the best trial stays worse than 0, however the folds to come turn out within the
    margin. After the last fold nothing is left to give up."""
    count, all_folds = len(folds), len(limit.best)
    if not limit.grace_folds <= count < all_folds:
        return False
    sign = 1.0 if trial.goal == "Maximize" else -1.0
    gains = [sign * (value - best) for (_, value), best in zip(folds, limit.best, strict=False)]
    deviation = statistics.stdev(gains) if count > 1 else 0.0
    still_open = max(deviation, limit.floor) * math.sqrt(1 / count - 1 / all_folds)
    return statistics.fmean(gains) + limit.margin * still_open < 0
