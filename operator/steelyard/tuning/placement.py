"""Whether trials share a process, which loads the data once and works off many questions; and so, how many questions
may be asked at once. Pure. Imports the api only."""

from collections.abc import Collection, Mapping

from steelyard.api.log_sizes import trials_of_a_pack
from steelyard.api.search_log import Entry
from steelyard.api.tuning_job import TuningJobSpec
from steelyard.tuning.search import is_independent

SHORT_SECONDS = 10.0
"""About what a pod needs to start: shorter trials cost less together."""


def first_trials(spec: TuningJobSpec) -> int:
    """How many trials, from 0 on, tell how long a trial takes, where `placement` is Auto."""
    return max(2, spec.parallel_trials)


def is_packed(spec: TuningJobSpec, entries: Mapping[int, Entry]) -> bool | None:
    """Whether the next trials are packed; None where the first ones have not told yet.

    Args:
        spec: the search.
        entries: the log, by number.
    """
    if not spec.template.model.is_estimator or spec.placement == "Pods":
        return False
    if spec.placement == "Packed":
        return True
    first = [entries.get(number) for number in range(first_trials(spec))]
    seconds = [entry.seconds for entry in first if entry is not None and entry.state != "Failed"]
    if None in first:
        return None
    return bool(seconds) and sum(seconds) / len(seconds) < SHORT_SECONDS


def first_packed(spec: TuningJobSpec) -> int:
    """The number of the first trial that may share a process."""
    return first_trials(spec) if spec.placement == "Auto" else 0


def room_for(
    spec: TuningJobSpec, entries: Mapping[int, Entry], running: Collection[int], *, minutes: float = 0.0
) -> int:
    """How many questions may be asked beside those that run.

    Args:
        spec: the search.
        entries: the log, by number.
        running: the numbers of the questions that are asked and not answered.
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
