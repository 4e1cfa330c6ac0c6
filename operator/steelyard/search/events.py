"""What a runner tells while it runs a search, beside the events of the jobs that prepare the data and publish the best.
Imports the api and the search only."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from steelyard.contract.events import Event
from steelyard.contract.stages import Notice, Progress
from steelyard.search.best import error_of
from steelyard.search.log import Entry, Values


@dataclass(frozen=True)
class SearchStarted:
    """The search begins, or goes on."""

    job: str
    entries: tuple[Entry, ...]
    """The trials that are finished already, by number."""
    max_trials: int
    message: str
    """Why it begins anew, where it had begun before; else empty."""

    def to_json(self) -> dict[str, Any]:
        """The event as JSON values."""
        return {
            "event": "searchStarted",
            "job": self.job,
            "finished": len(self.entries),
            "maxTrials": self.max_trials,
            "message": self.message,
        }


@dataclass(frozen=True)
class TrialStarted:
    """A trial begins."""

    number: int
    values: Values
    is_packed: bool
    """Whether it shares a process with others."""

    def to_json(self) -> dict[str, Any]:
        """The event as JSON values."""
        return {
            "event": "trialStarted",
            "trial": self.number,
            "parameters": self.values,
            "placement": "Packed" if self.is_packed else "Pods",
        }


@dataclass(frozen=True)
class TrialTold:
    """What a trial says while it runs."""

    number: int
    told: Progress | Notice

    def to_json(self) -> dict[str, Any]:
        """The event as JSON values: the trial's own, with its number."""
        return self.told.to_json() | {"trial": self.number}


@dataclass(frozen=True)
class TrialEnded:
    """A trial is finished."""

    entry: Entry
    metric: str
    reason: str = ""
    """Failed: why, at more length than the log has room for."""

    def to_json(self) -> dict[str, Any]:
        """The event as JSON values."""
        document = {"event": "trialEnded", **entry_to_json(self.entry, self.metric)}
        return document | {"reason": self.reason} if self.reason else document


@dataclass(frozen=True)
class NewBest:
    """A result is better than all before it."""

    entry: Entry
    metric: str

    def to_json(self) -> dict[str, Any]:
        """The event as JSON values."""
        return {"event": "newBest", **entry_to_json(self.entry, self.metric)}


@dataclass(frozen=True)
class SearchEnded:
    """No further trial is created."""

    job: str
    reason: str
    message: str
    trials: dict[str, int]
    """How many there are, by their state."""
    best: dict[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        """The event as JSON values."""
        return {
            "event": "searchEnded",
            "job": self.job,
            "reason": self.reason,
            "message": self.message,
            "trials": self.trials,
            "best": self.best,
        }


SearchEvent = Event | SearchStarted | TrialStarted | TrialTold | TrialEnded | NewBest | SearchEnded
SearchReport = Callable[[SearchEvent], None]
"""Is told every event, in order, by the thread that runs the search."""


def entry_to_json(entry: Entry, metric: str) -> dict[str, Any]:
    """A finished trial as JSON values, in full."""
    document: dict[str, Any] = {
        "trial": entry.number,
        "state": entry.state,
        "metric": metric,
        "value": _finite(entry.value),
        "parameters": entry.values,
        "seconds": entry.seconds,
    }
    if (error := error_of(entry)) is not None and entry.is_answer:
        document["standardError"] = _finite(error)
    if entry.secondary is not None:
        document["secondary"] = entry.secondary
    if entry.epoch is not None:
        document["epoch"] = entry.epoch
    if entry.steps:
        document["steps"] = [[step, _finite(value)] for step, value in entry.steps]
    if entry.reason:
        document["reason"] = entry.reason
    if entry.seen is not None:
        document["seen"] = list(entry.seen)
    return document


def _finite(value: float | None) -> float | None:
    """JSON has no other numbers."""
    return value if value is not None and math.isfinite(value) else None
