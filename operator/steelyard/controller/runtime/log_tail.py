"""What the last lines of a worker's log tell of a stage that runs. Pure. Imports the contract only."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from steelyard.contract.stages import Notice, Progress, Reason


@dataclass(frozen=True)
class LogTail:
    """The lines of the contract among them; whatever else a container writes is passed over."""

    progress: Progress | None = None
    """The newest; None where there is none yet."""
    stalls: tuple[str, ...] = ()
    """Why the gang was started again, where it had stalled."""

    @classmethod
    def of(cls, lines: Iterable[str]) -> "LogTail":
        """From lines, the oldest first."""
        events = [event for line in lines if (event := _event_of(line)) is not None]
        progress = [event for event in events if isinstance(event, Progress)]
        stalls = [event.message for event in events if isinstance(event, Notice) and event.reason == Reason.STALLED]
        return cls(progress[-1] if progress else None, tuple(dict.fromkeys(stalls)))


def _event_of(line: str) -> Progress | Notice | None:
    try:
        document: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    kind = {"progress": Progress, "notice": Notice}.get(str(document.pop("event", "")))
    try:
        return None if kind is None else kind(**document)
    except TypeError:
        return None
