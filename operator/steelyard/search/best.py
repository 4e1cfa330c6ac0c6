"""Which of a search's trials are the best, and which leave their model. Imports the api and the search's log only."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from steelyard.api.metrics import Goal
from steelyard.api.training_job import TrainingJobSpec
from steelyard.contract.trial_report import TrialReport
from steelyard.search.log import Entry


def error_of(entry: Entry) -> float | None:
    """The standard error of an answer: as the trial told it, or, of folds, that of their mean."""
    if entry.standard_error is not None or len(entry.steps) < 2 or entry.epoch is not None:
        return entry.standard_error
    return statistics.stdev(value for _, value in entry.steps) / math.sqrt(len(entry.steps))


def within_error_of(best: Entry, entries: Sequence[Entry], goal: Goal) -> list[Entry]:
    """The other answers that are no more than one standard error worse than the best one; none where it has no
    error."""
    error = error_of(best)
    if error is None or best.value is None:
        return []
    bound = best.value - error if goal == "Maximize" else best.value + error
    return [
        entry
        for entry in entries
        if entry.is_answer and entry.number != best.number and not is_better(bound, entry.value or 0.0, goal)
    ]


def is_better(one: float, other: float, goal: Goal) -> bool:
    """Whether a value is strictly better than another."""
    return one > other if goal == "Maximize" else one < other


def leaves_model(spec: TrainingJobSpec, summary: Mapping[str, Any]) -> bool:
    """Whether a training leaves a model: each does but a trial on folds, which has many, and one that can't become the
    best, whose model would only fill the storage.

    Args:
        spec: the job's.
        summary: that of the training's result; of a trial with its report.
    """
    trial = spec.trial
    if trial is None:
        return True
    if spec.evaluation.cross_validation is not None:
        return False
    report = TrialReport.from_json(summary.get("trial"))
    if report.state != "Complete" or report.value is None:
        return False
    return trial.to_beat is None or is_better(report.value, trial.to_beat, trial.goal)


def best_of(entries: Sequence[Entry], goal: Goal) -> Entry | None:
    """The best answer, of several equal ones that with the lowest number; None where there is no answer."""
    best: Entry | None = None
    for entry in sorted(entries, key=lambda entry: entry.number):
        if entry.is_answer and entry.value is not None:
            assert best is None or best.value is not None
            if best is None or (best.value is not None and is_better(entry.value, best.value, goal)):
                best = entry
    return best


def front_of(entries: Sequence[Entry], goal: Goal) -> list[Entry]:
    """The answers that no other one beats in one objective without losing in the other, best first; of equal ones the
    first. The secondary objective is always to be small."""
    sign = -1.0 if goal == "Maximize" else 1.0
    answers = [entry for entry in entries if entry.is_answer and entry.has_cost]
    answers.sort(key=lambda entry: (sign * (entry.value or 0.0), entry.secondary, entry.number))
    front: list[Entry] = []
    for entry in answers:
        if not front or (entry.secondary or 0.0) < (front[-1].secondary or 0.0):
            front.append(entry)
    return front
