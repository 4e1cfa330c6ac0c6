"""SIGINT, SIGTERM and SIGHUP as something to look at, in place of something that happens. Standard library only."""

import signal
from types import FrameType, TracebackType
from typing import Any


class Signals:
    """While entered, counts the signals that ask this process to end. For the main thread only."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self._before: dict[int, Any] = {}

    @property
    def first(self) -> int | None:
        """The first signal that came."""
        return self.received[0] if self.received else None

    @property
    def hurried(self) -> bool:
        """Whether a second signal came."""
        return len(self.received) > 1

    def __enter__(self) -> "Signals":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # nohup has the terminal's end ignored, and means it.
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        self.received.append(number)
