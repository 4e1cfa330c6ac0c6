"""Keys that wait for a reconcile: each at most once, later again after an error, never two reconciles of one at once.

Standard library only. For one event loop.
"""

import asyncio
import random
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 60.0


class WorkQueue(Generic[Key]):
    """A queue without duplicates."""

    def __init__(self) -> None:
        self._ready: deque[Key] = deque()
        self._waiting: set[Key] = set()
        """What is in `_ready`."""
        self._working: set[Key] = set()
        self._again: set[Key] = set()
        """What was added while it was worked on."""
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._something = asyncio.Event()

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def has_work(self) -> bool:
        """Whether a key waits, or is worked on."""
        return bool(self._ready or self._working)

    def add(self, key: Key) -> None:
        """Asks for a reconcile as soon as possible."""
        if key in self._working:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.append(key)
            self._something.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Asks for a reconcile later; the earliest of several times counts."""
        loop = asyncio.get_running_loop()
        known = self._timers.get(key)
        if known is not None:
            if known.when() <= loop.time() + seconds:
                return
            known.cancel()
        self._timers[key] = loop.call_later(seconds, self._ring, key)

    def add_after_error(self, key: Key) -> float:
        """Asks for a reconcile after a pause that doubles with each error in a row; returns its seconds."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        pause: float = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 10))
        pause *= random.uniform(0.8, 1.2)
        self.add_after(key, pause)
        return pause

    def succeeded(self, key: Key) -> None:
        """Ends a row of errors."""
        self._failures.pop(key, None)

    def forget(self, key: Key) -> None:
        """Drops what is remembered of a key that is over."""
        self._failures.pop(key, None)
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    async def get(self) -> Key:
        """The next key; `done` must follow."""
        while not self._ready:
            self._something.clear()
            await self._something.wait()
        key = self._ready.popleft()
        self._waiting.discard(key)
        self._working.add(key)
        return key

    def done(self, key: Key) -> None:
        """The reconcile has ended, well or not."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def _ring(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)
