"""The state machine of a search: which trials are created now, and whether it is over. Pure. Imports the api and the
search only.

Trial n is created with the results of the trials 0 to n - parallelTrials, by number and not by who finished first. So
the log alone says what was known when, and a search is the same wherever it runs and however often it is interrupted.
"""

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from steelyard.api.tuning import AlgorithmName
from steelyard.api.tuning_job import TuningJobSpec
from steelyard.contract.stages import Reason
from steelyard.search.best import best_of, is_better
from steelyard.search.log import Entry, Values
from steelyard.search.log_sizes import trials_of_a_pack
from steelyard.texts.figures import counted
from steelyard.tuning.placement import first_trials, is_packed

INDEPENDENT: frozenset[AlgorithmName] = frozenset({"Grid", "Random", "QMC"})
"""The algorithms that learn nothing from results."""


@dataclass(frozen=True)
class End:
    """Why no further trial is created."""

    reason: Reason
    message: str
    has_failed: bool = False


@dataclass(frozen=True)
class NextStep:
    """What a runner is to do now."""

    ask: tuple[int, ...] = ()
    """The numbers of the trials that may be created now, ascending. First those that were created before and lost:
    later ones wait for their results."""
    end: End | None = None
    """No trial is left to be created. The search is over as soon as nothing runs; at once, where it has failed."""


def next_step(
    spec: TuningJobSpec,
    entries: Mapping[int, Entry],
    running: Collection[int],
    *,
    minutes: float = 0.0,
    exhausted_at: int | None = None,
) -> NextStep:
    """What is to be done.

    Args:
        spec: the search.
        entries: the log, by number.
        running: the numbers of the trials that run.
        minutes: for how long the search has run.
        exhausted_at: the number of a trial for which no combination was left.
    """
    failed = [entry for entry in entries.values() if entry.state == "Failed"]
    if len(failed) > spec.max_failed_trials:
        last = max(failed, key=lambda entry: entry.number)
        return NextStep(
            end=End(
                Reason.TOO_MANY_FAILED_TRIALS,
                f"{counted(len(failed), 'trial')} failed and spec.maxFailedTrials is {spec.max_failed_trials}; the "
                f"last, trial {last.number}: {last.reason}",
                has_failed=True,
            )
        )
    room = room_for(spec, entries, running, minutes)
    first_new = max([-1, *entries, *running]) + 1
    lost = [number for number in range(first_new) if number not in entries and number not in running]
    lost = [number for number in lost if exhausted_at is None or number < exhausted_at]
    ask = [number for number in lost if is_askable(spec, entries, number)][:room]
    for number in itertools.count(first_new):
        # Before all is known that a trial is created with, nothing says that it is not to be created.
        if not is_askable(spec, entries, number):
            break
        if (end := _end_before(spec, entries, number, minutes, exhausted_at)) is not None:
            return NextStep(tuple(ask)) if ask or lost else NextStep(end=end)
        if len(ask) >= room:
            break
        ask.append(number)
    return NextStep(tuple(ask))


def room_for(spec: TuningJobSpec, entries: Mapping[int, Entry], running: Collection[int], minutes: float = 0.0) -> int:
    """How many trials may be created beside those that run.

    Args:
        spec: the search.
        entries: the log, by number.
        running: the numbers of the trials that run.
        minutes: for how long the search has run.
    """
    packed = is_packed(spec, entries)
    if packed:
        # One pack at a time: its processes are as many as trials may run at once. A search that learns from its answers
        # has no more of them to wait for.
        most = min(trials_of_a_pack(spec), _until_time_is_up(spec, entries, minutes))
        at_once = most if is_independent(spec) else min(most, spec.parallel_trials)
        return 0 if running else at_once
    room = spec.parallel_trials - len(running)
    if packed is None:
        # Only those that tell how long a trial takes.
        room = min(room, sum(each not in entries and each not in running for each in range(first_trials(spec))))
    return max(0, room)


def _until_time_is_up(spec: TuningJobSpec, entries: Mapping[int, Entry], minutes: float) -> int:
    """About how many trials are answered before spec.maxMinutes: what a pack has begun it works off."""
    if spec.max_minutes is None:
        return trials_of_a_pack(spec)
    seconds = [entry.seconds for entry in entries.values() if entry.state in ("Complete", "Pruned") and entry.seconds]
    if not seconds:
        return spec.parallel_trials
    left = (spec.max_minutes - minutes) * 60
    return max(spec.parallel_trials, int(left * spec.parallel_trials * len(seconds) / sum(seconds)))


def known_to(spec: TuningJobSpec, entries: Mapping[int, Entry], number: int) -> list[Entry]:
    """The results that a trial is created with, by number; those of an asynchronous search: all that are there."""
    known = [entry for entry in entries.values() if entry.number < number]
    if not spec.asynchronous:
        known = [entry for entry in known if entry.number <= number - spec.parallel_trials]
    return sorted(known, key=lambda entry: entry.number)


def pending_to(
    spec: TuningJobSpec, suggestions: Mapping[int, Values], known: Sequence[Entry], number: int
) -> list[Values]:
    """The values of the trials whose results a trial must not know, by number: it is not to have the same.

    Args:
        spec: the search.
        suggestions: the values of all that were created, by number.
        known: the results that the trial is created with.
        number: the trial's.
    """
    told = {entry.number for entry in known}
    # Where all are created in the order of numbers, none after this one was there when it was created first.
    later = suggestions.keys() if spec.asynchronous else (other for other in suggestions if other < number)
    return [suggestions[other] for other in sorted(later) if other not in told and other != number]


def is_independent(spec: TuningJobSpec) -> bool:
    """Whether no trial's values, and no trial's end, depend on another's result."""
    waits_for_answers = spec.objective.target is not None or spec.max_trials_without_improvement is not None
    return spec.algorithm.name in INDEPENDENT and spec.pruning is None and not waits_for_answers


def is_askable(spec: TuningJobSpec, entries: Mapping[int, Entry], number: int) -> bool:
    """Whether all is known that a trial is to be created with."""
    if spec.asynchronous or is_independent(spec):
        return True
    return all(earlier in entries for earlier in range(number - spec.parallel_trials + 1))


def _end_before(
    spec: TuningJobSpec, entries: Mapping[int, Entry], number: int, minutes: float, exhausted_at: int | None
) -> End | None:
    """Why this trial is not created; None where it is."""
    if exhausted_at is not None and number >= exhausted_at:
        return End(Reason.SPACE_EXHAUSTED, f"every combination is known after {counted(exhausted_at, 'trial')}")
    known = known_to(spec, entries, number)
    if (end := _end_by_answers(spec, known)) is not None:
        return end
    if number >= spec.max_trials:
        one = "the 1 trial (spec.maxTrials) is finished"
        all_of_them = f"all {spec.max_trials} trials (spec.maxTrials) are finished"
        return End(Reason.SUCCEEDED, one if spec.max_trials == 1 else all_of_them)
    if spec.max_minutes is not None and minutes >= spec.max_minutes:
        have_passed = "minute (spec.maxMinutes) has" if spec.max_minutes == 1 else "minutes (spec.maxMinutes) have"
        return End(Reason.TIME_IS_UP, f"{spec.max_minutes:g} {have_passed} passed")
    return None


def _end_by_answers(spec: TuningJobSpec, known: Sequence[Entry]) -> End | None:
    objective = spec.objective
    best = best_of(known, objective.direction)
    if best is None or best.value is None:
        return None
    target = objective.target
    if target is not None and not is_better(target, best.value, objective.direction):
        message = f"trial {best.number} reached {objective.name} {best.value:.6g}; the target is {target:g}"
        return End(Reason.TARGET_REACHED, message)
    patience = spec.max_trials_without_improvement
    since = sum(entry.number > best.number and entry.state != "Failed" for entry in known)
    if patience is not None and since >= patience:
        were = "was" if since == 1 else "in a row were"
        message = f"{counted(since, 'trial')} {were} not better than trial {best.number} (maxTrialsWithoutImprovement)"
        return End(Reason.NO_IMPROVEMENT, message)
    return None
