"""SIGINT, SIGTERM and SIGHUP as something to look at, in place of something that happens. Imports the api's errors."""

import signal
from types import FrameType, TracebackType
from typing import Any

from steelyard.api.errors import SteelyardError
from steelyard.contract.stages import Reason


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

    def check(self, when: str) -> None:
        """Raises SteelyardError where a signal came; `when` says how far the run was, such as "during train"."""
        if (number := self.first) is not None:
            raise SteelyardError(
                f"interrupted by {signal.Signals(number).name} {when}; run the same command again to go on where it "
                "stopped",
                reason=Reason.INTERRUPTED,
                exit_code=128 + number,
            )

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
