"""Finds the events among the lines that a process writes to its log. Imports the api only."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from steelyard.contract.stages import Notice, Progress
from steelyard.contract.trial_report import TrialReport

_LINE_LIMIT = 1 << 20
"""Bytes without a line's end after which they are no longer kept: no event is that long."""
_MOST = 1 << 53
"""Above it a count is no sensible one, and no float holds its share."""


@dataclass(frozen=True)
class Answer:
    """A line of a pack: a trial has ended."""

    report: TrialReport


@dataclass(frozen=True)
class Told:
    """A line of a trial in a pack."""

    number: int
    event: Progress | Notice


class LogFollower:
    """Reads what was added to a log since the last call; a line that is not complete yet waits for the next."""

    def __init__(self, path: Path) -> None:
        """Follows the file from its present end."""
        self.path = path
        self._offset = path.stat().st_size if path.exists() else 0
        self._rest = b""

    def read(self) -> list["LogEvent"]:
        """The events since the last call, in order; whatever else is in the log is left out. Raises OSError."""
        with self.path.open("rb") as file:
            file.seek(self._offset)
            new = file.read()
        self._offset += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        if len(self._rest) > _LINE_LIMIT:
            self._rest = b""
        return [event for line in lines if (event := parse_event(line)) is not None]


LogEvent: TypeAlias = Progress | Notice | Answer | Told


def parse_event(line: bytes) -> LogEvent | None:
    """The event that a line holds; None where it is something else, such as a library's warning."""
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    match document:
        case {"event": "progress" | "notice", "trial": int(number)}:
            event = _event_of(document)
            return event if event is None else Told(number, event)
        case {"event": "trial", "trial": list(trial)}:
            with suppress(ValueError):
                return Answer(TrialReport.from_json(trial))
            return None
    return _event_of(document)


def _event_of(document: dict[str, Any]) -> Progress | Notice | None:
    match document:
        case {"event": "progress", "stage": str(stage), "done": int(done), "total": int(total), "unit": str(unit)} if (
            max(abs(done), abs(total)) <= _MOST
        ):
            return Progress(stage, done, total, unit, _figures(document.get("values")), _worker(document))
        case {"event": "notice", "stage": str(stage), "message": str(message)}:
            return Notice(stage, message, str(document.get("reason", "")), _worker(document))
    return None


def tail_of(path: Path, lines: int) -> str:
    """The last lines of a log that are no events and not empty; for saying why a process died. Raises OSError."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 65536))
        text = file.read()
    wanted = [line for line in text.split(b"\n") if line.strip() and parse_event(line) is None]
    return b"\n".join(wanted[-lines:]).decode(errors="replace")


def _figures(values: Any) -> dict[str, float]:
    if not isinstance(values, dict):
        return {}
    figures = {}
    for name, value in values.items():
        # Of an integer that no float holds there is nothing to show.
        with suppress(OverflowError):
            if isinstance(value, int | float):
                figures[str(name)] = float(value)
    return figures


def _worker(document: dict[str, Any]) -> int:
    worker = document.get("worker", 0)
    return worker if isinstance(worker, int) else 0
