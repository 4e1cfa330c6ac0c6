"""How a process that works shows that it goes on: counters in a file that is memory to it and to its watcher (stall).

No call of the system, so that a step costs nothing; and seen whatever the process does with Python's lock. Nobody
watches where the environment names no folder. Standard library and the contract only.
"""

import faulthandler
import mmap
import os
import signal
from pathlib import Path

from steelyard.contract.stages import Env

COUNTERS_FILE = "counters"
"""Two native unsigned integers of 8 bytes: beats, and steps."""
COUNTERS_BYTES = 16
STACK_FILE = "stack"
"""Where the stack of the main thread goes when it is asked for."""
STACK_SIGNAL = signal.SIGUSR2

_counters: memoryview | None = None


def begin() -> None:
    """The first act of a process that may be watched: from now on its beats are seen, and its stack may be asked for.

    Raises OSError where the folder is gone, as it is when the watcher is.
    """
    global _counters  # noqa: PLW0603 - a process has one pulse
    if not (folder := os.environ.get(Env.PULSE)):
        return
    with (Path(folder) / COUNTERS_FILE).open("r+b") as file:
        _counters = memoryview(mmap.mmap(file.fileno(), COUNTERS_BYTES)).cast("Q")
    # It stays open: it is written to from within the signal, also where Python's lock is held for ever.
    stack = (Path(folder) / STACK_FILE).open("ab", buffering=0)
    faulthandler.register(STACK_SIGNAL, file=stack, all_threads=False)


def beat() -> None:
    """Something is done: rows, an epoch, a candidate, a part of the way to the first step."""
    if _counters is not None:
        _counters[0] += 1


def step() -> None:
    """A step of what all workers do together is about to begin, or is done: who has counted the least is behind."""
    if _counters is not None:
        _counters[0] += 1
        _counters[1] += 1
