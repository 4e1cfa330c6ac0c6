"""When what is to be looked at later. Standard library only.

A heap and no timers: 5,000 finished jobs cost a line each, and a clock that jumps is noticed at the next look.
"""

from collections.abc import Hashable
from datetime import datetime
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

Name = TypeVar("Name", bound=Hashable)

_MOST_STALE = 64
"""Entries that may be there in vain before they are cleared away, beside as many as count."""


class DueTimes(Generic[Name]):
    """A time for each name."""

    def __init__(self) -> None:
        self._times: dict[Name, datetime] = {}
        self._heap: list[tuple[datetime, int, Name]] = []
        """What `_times` says no longer stays until its time has come, or there is too much of it."""
        self._count = 0
        """Keeps names from being compared, which need no order."""

    def __len__(self) -> int:
        return len(self._times)

    def put(self, name: Name, time: datetime | None) -> None:
        """Sets the time of a name, whatever it was; None: it has none."""
        if time is None:
            self._times.pop(name, None)
        elif self._times.get(name) != time:
            self._times[name] = time
            self._push(time, name)
        if len(self._heap) > 2 * len(self._times) + _MOST_STALE:
            self._heap = [entry for entry in self._heap if self._times.get(entry[2]) == entry[0]]
            heapify(self._heap)

    def pop(self, now: datetime) -> list[Name]:
        """The names whose time has come, the earliest first. They have none from now on."""
        due = []
        while self._heap and self._heap[0][0] <= now:
            time, _, name = heappop(self._heap)
            if self._times.get(name) == time:
                del self._times[name]
                due.append(name)
        return due

    def _push(self, time: datetime, name: Name) -> None:
        self._count += 1
        heappush(self._heap, (time, self._count, name))
