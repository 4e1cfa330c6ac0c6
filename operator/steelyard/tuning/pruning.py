"""When a trial gives up: the rules of pruning, as limits that are fixed when the trial is asked. Pure. Imports the api
and the search only.

Each rule is a function of the results that the trial was created with, and judges a step by values of that step only.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

from steelyard.api.metrics import Goal
from steelyard.api.trial import PairedLimit
from steelyard.api.tuning import Pruning
from steelyard.api.tuning_job import TuningJobSpec
from steelyard.search.best import best_of
from steelyard.search.budget import REDUCTION_FACTOR, bracket_of, looks_of, report_steps
from steelyard.search.log import Entry
from steelyard.tuning.stops import Stops

STARTUP_TRIALS = 5
"""Median: so many trials must be known at a step, where startupTrials is left out."""
GRACE_FOLDS = 2
"""PairedFolds: every trial is given so many folds, where graceFolds is left out."""
LEAST_DEVIATIONS = 3
"""PairedFolds: of so many known trials, beside the best one, the usual deviation is taken."""
MARGIN = 2.0
"""PairedFolds: how many deviations a trial may still catch up, where margin is left out."""


def stops_for(spec: TuningJobSpec, number: int, known: Sequence[Entry]) -> Stops:
    """What a trial reports, when it gives up, and what it must beat to leave a model.

    Args:
        spec: the search.
        number: the trial's.
        known: the results that it is created with.
    """
    if spec.template.evaluation.cross_validation is not None:  # Trials on folds leave no model.
        folds, goal = spec.template.evaluation.cross_validation.folds, spec.objective.direction
        return Stops(paired=_paired_limit(spec.pruning, goal, known, folds) if spec.pruning is not None else None)
    best = best_of(known, spec.objective.direction)
    stops = _stops_of_epochs(spec, spec.pruning, number, known) if spec.pruning is not None else Stops()
    return replace(stops, to_beat=best.value if best is not None else None)


def _stops_of_epochs(spec: TuningJobSpec, pruning: Pruning, number: int, known: Sequence[Entry]) -> Stops:
    goal = spec.objective.direction
    if pruning.name == "Hyperband":  # A trial is compared with those on its own ladder only.
        ladder = bracket_of(spec, number)
        known = [entry for entry in known if bracket_of(spec, entry.number) == ladder]
    at_step = _values_by_step(known)
    limits: list[tuple[int, float]] = []
    for step in looks_of(spec, number):
        values = sorted(at_step.get(step, ()), reverse=goal == "Maximize")
        limit = _median(pruning, values) if pruning.name == "Median" else _last_that_goes_on(pruning, values)
        if limit is not None:
            limits.append((step, limit))
    return Stops(report_steps(spec, number), tuple(limits))


def _values_by_step(known: Sequence[Entry]) -> dict[int, list[float]]:
    """What the trials that ran had at each step; a repeated one says nothing new."""
    at_step: dict[int, list[float]] = {}
    for entry in known:
        if entry.state in ("Complete", "Pruned"):
            for step, value in entry.steps:
                if math.isfinite(value):
                    at_step.setdefault(step, []).append(value)
    return at_step


def _median(pruning: Pruning, values: Sequence[float]) -> float | None:
    return statistics.median(values) if len(values) >= (pruning.startup_trials or STARTUP_TRIALS) else None


def _last_that_goes_on(pruning: Pruning, best_first: Sequence[float]) -> float | None:
    """A trial goes on if it is among the best 1 / reductionFactor of the values there, its own included; while there
    are fewer than reductionFactor of them, if it is the best. None where it is the first."""
    if not best_first:
        return None
    places = max(1, (len(best_first) + 1) // (pruning.reduction_factor or REDUCTION_FACTOR))
    return best_first[places - 1]


def _paired_limit(pruning: Pruning, goal: Goal, known: Sequence[Entry], folds: int) -> PairedLimit | None:
    """The bound on the difference to the best known trial; None while there is none, or where the scores are so large
    that their variance is no number."""
    best = best_of([entry for entry in known if len(entry.steps) == folds], goal)
    if best is None:
        return None
    try:
        floor = _usual_deviation(best, known)
    except OverflowError:
        return None
    return PairedLimit.model_validate(
        {
            "best": [value for _, value in best.steps],
            "graceFolds": GRACE_FOLDS if pruning.grace_folds is None else pruning.grace_folds,
            "margin": MARGIN if pruning.margin is None else pruning.margin,
            "floor": floor,
        }
    )


def _usual_deviation(best: Entry, known: Sequence[Entry]) -> float:
    """How much the difference to the best trial varies from fold to fold: the median over the known trials.

    Two folds alone may agree by chance. While too few trials are known, the deviation of the best one's own values
    stands for it, which is usually more: what makes a fold hard is hard for every trial.
    """
    scores = dict(best.steps)
    deviations = [
        _deviation([value - scores[fold] for fold, value in entry.steps])
        for entry in known
        if entry.number != best.number
        and entry.state in ("Complete", "Pruned")
        and 2 <= len(entry.steps) <= len(scores)
    ]
    return statistics.median(deviations) if len(deviations) >= LEAST_DEVIATIONS else _deviation(list(scores.values()))


def _deviation(values: Sequence[float]) -> float:
    """The standard deviation. (Python's statistics.stdev reckons with fractions, and a search calls this a lot.)"""
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
