"""What a program has started beside itself: it ends with the program. Imports the standard library only.

Linux only; elsewhere nothing is done.
"""

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_PATIENCE_SECONDS = 5.0

_IS_LINUX = sys.platform == "linux"
# Looked up once: after a fork it may be too late.
_PRCTL = ctypes.CDLL(None).prctl if _IS_LINUX else None


def adopt_orphans() -> None:
    """Makes this process the parent of all below it whose parent has ended, as the first process of a container is."""
    if _PRCTL is not None:
        _PRCTL(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_starter() -> None:
    """In a process that was just forked: it is killed when the one ends that started it, if not before."""
    if _PRCTL is not None:
        _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)


def reap_orphans(child: int) -> None:
    """Takes note of the end of adopted processes; never of `child`'s, whose exit code is asked for elsewhere."""
    while _IS_LINUX:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid == child:
            return
        _reap(ended.si_pid)


def ask_descendants(seconds: float) -> None:
    """Sends SIGTERM to all processes below this one; returns when none is left, or after so many seconds.

    What one of them starts then, as to save its work, is not asked.
    """
    until = time.monotonic() + seconds
    found = _descendants() if _IS_LINUX else []
    for process in found:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, signal.SIGTERM)
    while found and time.monotonic() < until:
        time.sleep(0.02)
        for process in found:
            _reap(process)
        found = _descendants()


def end_descendants() -> None:
    """Kills all processes below this one; returns when none is left, or some can't be killed within seconds."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while _IS_LINUX and (found := _descendants()) and time.monotonic() < until:
        for process in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
            _reap(process)
        time.sleep(0.01)


def _reap(process: int) -> None:
    with suppress(ChildProcessError):
        os.waitpid(process, os.WNOHANG)


def _descendants() -> list[int]:
    """The processes below this one, zombies that are not its own children aside."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        if folder.name.isdecimal() and (parent := _parent(folder)) is not None:
            parents[int(folder.name)] = parent
    found = {os.getpid()}
    while more := {process for process, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found - {os.getpid()})


def _parent(folder: Path) -> int | None:
    try:
        # The name stands in brackets, and may have any character.
        state, parent, *_ = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if state == "Z" and int(parent) != os.getpid() else int(parent)
