"""The status of a job of either kind while it is being decided: a copy that remembers what it was. Pure; imports
planning and the controller's pure parts.

Plain JSON values and not the API's model: it is read and written at every reconcile.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from steelyard.controller.observation import is_true, text_of, time_of
from steelyard.controller.policies import clock
from steelyard.planning.conditions import Condition, set_condition

_LONGEST_MESSAGE = 4096
"""Room for a result document; an API server's refusal may quote the whole object, which the status has no room for."""
_LONGEST_REASON = 256


def is_terminal(status: Mapping[str, Any]) -> bool:
    """Whether a job is Complete or Failed."""
    return is_true(status, "Complete") or is_true(status, "Failed")


def shortened(reason: str, message: str) -> tuple[str, str]:
    """What others say, as far as the status has room for it."""
    is_long = len(message) > _LONGEST_MESSAGE
    return reason[:_LONGEST_REASON], message[: _LONGEST_MESSAGE - 3] + "..." if is_long else message


class Draft:
    """A status that changes."""

    def __init__(self, status: Mapping[str, Any], generation: int, now: datetime) -> None:
        self._before = status
        self._now = now
        # Its parts are replaced and never changed.
        self.status: dict[str, Any] = dict(status)
        if self.status.get("observedGeneration") != generation:
            self.status["observedGeneration"] = generation

    def changes(self) -> dict[str, Any]:
        """What a merge patch must hold: the fields that changed, null for those that are gone."""
        return _merge_patch(self._before, self.status)

    @property
    def is_over(self) -> bool:
        """Whether it is Complete or Failed."""
        return is_terminal(self.status)

    @property
    def started(self) -> datetime | None:
        """When the operator began."""
        return time_of(self.status.get("startTime"))

    @property
    def suspended_since(self) -> datetime | None:
        """Since when the job is suspended; None where it is not."""
        return clock.suspended_since(self.status)

    @property
    def counted_seconds(self) -> float:
        """For how long the job has run, pauses aside."""
        return clock.counted_seconds(self.status, self._now)

    @property
    def _time(self) -> str:
        """The time, as a status has it."""
        return text_of(self._now)

    def _is_true(self, kind: str) -> bool:
        return is_true(self.status, kind)

    def _conditions(self) -> tuple[Condition, ...]:
        return tuple(Condition.from_json(condition) for condition in self.status.get("conditions") or ())

    def _set_conditions(self, conditions: tuple[Condition, ...]) -> None:
        self.status["conditions"] = [condition.to_json() for condition in conditions]

    def _condition(self, kind: Any, status: Any, reason: str, message: str) -> None:
        self._set_conditions(set_condition(self._conditions(), Condition(kind, status, reason, message, self._time)))


def _merge_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What makes of one map another: a merge patch keeps what it does not name."""
    patch: dict[str, Any] = {}
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            if old != new:
                patch[name] = _merge_patch(old, new)
        elif old != new:
            patch[name] = new
    return patch
