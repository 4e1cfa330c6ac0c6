"""Whether a process that works has stopped to go on, and where it was: watched by another process, whatever becomes of
the first (pulse). Standard library and the contract only.

Time is an argument, in seconds of a clock that stands still while the machine sleeps (time.monotonic). Time in which
the watcher itself did not look, as it was stopped, counts little.
"""

import mmap
import os
import re
import shutil
import signal
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from steelyard.contract import stages
from steelyard_trainer.pulse import COUNTERS_BYTES, COUNTERS_FILE, STACK_FILE, STACK_SIGNAL

FIELD = "spec.runPolicy.stallTimeoutSeconds"
LONGEST_LOOK_SECONDS = 5.0
"""As much counts at most between two looks."""
START_SECONDS = 120.0
"""So much longer may a process take to its first beat: it starts, and imports its libraries."""
ANSWER_SECONDS = 1.5
"""How long a process may take to write its stack: shorter than a supervisor may be silent (coordinator)."""
NO_ANSWER = "it does not answer a signal: it is stopped, or hangs within the system"
NO_STACK = "where it was is not known"
MOST_LINES = 40
"""Of a stack, in the log."""
_MOST_NAMED = 3
_FRAME = re.compile(r'^\s+File "(?P<file>.*)", line (?P<line>\d+|\?\?\?) in (?P<name>.*)$', re.MULTILINE)


@dataclass
class StallWatch:
    """Watches one process at a time."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="steelyard-")))
    """Of its own; the process finds it in the environment (Env.PULSE)."""
    _idle: float = 0.0
    _seen: int = 0
    _looked_at: float = 0.0
    _counters: memoryview = field(init=False)

    def __post_init__(self) -> None:
        with (self.folder / COUNTERS_FILE).open("w+b") as file:
            file.truncate(COUNTERS_BYTES)
            self._counters = memoryview(mmap.mmap(file.fileno(), COUNTERS_BYTES)).cast("Q")

    def restart(self, now: float, *, is_started: bool = False) -> None:
        """Another process begins; or, where it is started, another piece of its work."""
        self._seen = int(is_started)
        self._counters[0], self._counters[1] = self._seen, 0
        self._idle, self._looked_at = 0.0, now
        # Emptied, not removed: the process may have it open.
        (self.folder / STACK_FILE).write_bytes(b"")

    def end(self) -> None:
        """Removes the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def beat(self) -> None:
        """For a watcher that hears of the process in another way, such as by its lines."""
        self._counters[0] += 1

    def look(self, now: float) -> float:
        """For how many seconds the process has done nothing that it told of, its start aside."""
        if (beats := self._counters[0]) != self._seen:
            self._seen, self._idle = beats, 0.0
        else:
            self._idle += min(now - self._looked_at, LONGEST_LOOK_SECONDS)
        self._looked_at = now
        return self._idle if beats else max(0.0, self._idle - START_SECONDS)

    @property
    def steps(self) -> int:
        """How often the process was at a step."""
        return self._counters[1]

    def stack_of(self, process: int) -> str:
        """The stack of the process's main thread, innermost frame first; empty where it does not answer.

        Takes up to ANSWER_SECONDS.
        """
        file = self.folder / STACK_FILE
        with suppress(ProcessLookupError):
            os.kill(process, STACK_SIGNAL)
        until = time.monotonic() + ANSWER_SECONDS
        text = before = ""
        while time.monotonic() < until:
            time.sleep(0.05)
            with suppress(OSError):
                text = file.read_text(encoding="utf-8", errors="replace")
            if text and text == before:
                break
            before = text
        return text


def forbid_stack_signal() -> None:
    """For the watcher, before it starts a process: one that does not listen yet is not ended by being asked."""
    signal.signal(STACK_SIGNAL, signal.SIG_IGN)


def write_stack(watch: StallWatch, process: int, who: str) -> str:
    """Writes the stack of a process that stalled to the log, within limits; returns where it was, in words."""
    stack = watch.stack_of(process)
    if stack:
        print(f"{who} stalled; its main thread:\n{shortened(stack)}", file=sys.stderr, flush=True)
    return where(stack)


def shortened(stack: str) -> str:
    """A stack as the log has room for it: the innermost frames."""
    lines = stack.strip().splitlines()
    left = len(lines) - MOST_LINES
    return "\n".join([*lines[:MOST_LINES], f"  ... and {left} more"] if left > 0 else lines)


def where(stack: str) -> str:
    """Where a main thread was, in words: the innermost frames of the user's own code first, then the innermost of all.

    Args:
        stack: as `StallWatch.stack_of` has it.
    """
    frames = [match.groupdict() for match in _FRAME.finditer(stack)]
    if not frames:
        return NO_ANSWER
    own = [frame for frame in frames if _is_users(frame["file"])][:_MOST_NAMED]
    innermost = f"its main thread was in {_called(frames[: 1 if own else _MOST_NAMED])}"
    return f"{innermost}, called from {_called(own)} of your code" if own and own[0] != frames[0] else innermost


def _called(frames: Sequence[dict[str, str]]) -> str:
    return " < ".join(f"{_short(frame['file'])}:{frame['line']} {frame['name']}" for frame in frames)


def _short(file: str) -> str:
    """The last two parts of a path."""
    return "/".join(Path(file).parts[-2:])


def _is_users(file: str) -> bool:
    """Whether a file is no library's: not below what this process, which has nothing of the user's, imports from."""
    return file.startswith("/") and not any(file.startswith(root) for root in _library_roots())


@cache  # And not at the import: the static supervisor, which asks for no stack, has no such places.
def _library_roots() -> tuple[str, ...]:
    # Installed where they are developed, our own packages lie at no place of these.
    ours = [str(Path(file).resolve().parents[2]) for file in (__file__, stages.__file__)]
    places = [sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), *ours, *sys.path]
    own = [Path(place) for place in places if Path(place).is_dir() and Path(place).resolve() != Path.cwd()]
    return tuple({f"{root}/" for place in own for root in (place, place.resolve())})


@dataclass(frozen=True)
class Standing:
    """How a worker stood when a gang had stalled."""

    worker: int
    steps: int
    where: str
    """In words; empty where its supervisor has not said."""


def no_progress(seconds: float, where: str) -> str:
    """What is said of a process that has stalled."""
    return f"no step, epoch or progress line for {seconds:,.0f} s ({FIELD}); {where or NO_STACK}"


def told(workers: Sequence[Standing], limit_seconds: float) -> str:
    """What is said of a gang that has stalled: which worker keeps the others waiting, for how long, and where it was.

    That is who is behind in steps; of several that are equally far, who does not answer; else all are named.
    """
    least = min(worker.steps for worker in workers)
    behind = [worker for worker in workers if worker.steps == least]
    named = [worker for worker in behind if worker.where == NO_ANSWER] or behind
    if len(named) == 1:
        return f"worker {named[0].worker} stalled: {no_progress(limit_seconds, named[0].where)}"
    each = "; ".join(f"worker {worker.worker}: {worker.where or NO_STACK}" for worker in named[:_MOST_NAMED])
    return f"{len(named)} workers stalled, none of them behind the others: {no_progress(limit_seconds, each)}"
