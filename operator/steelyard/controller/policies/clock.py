"""The clock that every policy goes by: for how long a job has run, pauses aside. One for both kinds. Imports the
controller's observation.

The statuses keep it in two ways. A TrainingJob's says when it began (startTime), how long it paused before
(suspendedSeconds), and since when it does now, where it does (the condition Suspended). A TuningJob's, which may go on
after its end, says for how long it has run up to its last stop (activeSeconds), and since when it runs again
(activeSince).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from steelyard.controller.observation import condition_of, time_of


def counted_seconds(status: Mapping[str, Any], now: datetime) -> float:
    """For how long a job has run, pauses aside; 0 of one that did not begin."""
    if "activeSince" in status or "activeSeconds" in status:
        return _until_the_stop(status) + _since(time_of(status.get("activeSince")), now)
    started = time_of(status.get("startTime"))
    if started is None:
        return 0.0
    return ((suspended_since(status) or now) - started).total_seconds() - float(status.get("suspendedSeconds") or 0)


def suspended_since(status: Mapping[str, Any]) -> datetime | None:
    """Since when a job is suspended; None where it is not."""
    pause = condition_of(status, "Suspended")
    return time_of(pause["lastTransitionTime"]) if pause.get("status") == "True" else None


def _until_the_stop(status: Mapping[str, Any]) -> float:
    return float(status.get("activeSeconds") or 0.0)


def _since(time: datetime | None, now: datetime) -> float:
    return 0.0 if time is None else max(0.0, (now - time).total_seconds())
