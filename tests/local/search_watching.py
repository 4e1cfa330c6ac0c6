"""Programs and watchers with which a search's trials hang, die, are counted or are interrupted."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

from steelyard.search.events import (
    SearchEvent,
    TrialEnded,
)

HANG = "time.sleep(600)"
CRASH = "os.kill(os.getpid(), signal.SIGKILL)"


def when(kind: type, number: int, act: Callable[[], None]) -> Callable[[SearchEvent], None]:
    """A watcher that acts once, at the event of a kind about a trial."""
    left = [act]

    def watch(event: SearchEvent) -> None:
        about = event.entry.number if isinstance(event, TrialEnded) else getattr(event, "number", None)
        if left and isinstance(event, kind) and about == number:
            left.pop()()

    return watch


# Has each trial note how many of them run.
COUNT_RUNNING = """
running = workspace.parent / "running"
running.mkdir(exist_ok=True)
(running / str(os.getpid())).touch()
time.sleep(0.3)
made(workspace / "seen", str(len(list(running.iterdir()))))
(running / str(os.getpid())).unlink()
"""


def most_running(folder: Path) -> int:
    return max(int(path.read_text()) for path in (folder / ".steelyard/search/trials").glob("*/seen"))


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)
