"""The processes of one stage: started in groups of their own, watched, and ended so that none is left.

Imports the api and planning, no other part of local but the follower.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from steelyard.contract.stages import Env
from steelyard.local.follower import LogFollower
from steelyard.planning import Stage

PATIENCE_SECONDS = 3.0
"""How long a process may take to end after SIGTERM, before SIGKILL."""
POLL_SECONDS = 0.05

Launch = Callable[[Stage, int, Mapping[str, str], IO[bytes]], "subprocess.Popen[bytes]"]
"""Starts worker `index` of a stage with an environment, writing to a log, as the leader of a new process group."""


def launch_trainer(
    stage: Stage, index: int, environment: Mapping[str, str], log: IO[bytes]
) -> "subprocess.Popen[bytes]":
    """Starts the trainer program. For the main thread only: a child ends with the thread that started it."""
    del index  # It is in the environment.
    return subprocess.Popen(
        [sys.executable, *stage.arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        process_group=0,
    )


def free_addresses(count: int) -> list[str]:
    """Addresses (host:port) on this machine that nothing listens on; all differ."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


def usable_cpus() -> int:
    """The CPUs that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def inherited_environment() -> dict[str, str]:
    """This process's environment less what the contract sets, and safe from modules that lie in the current folder."""
    own = {str(variable) for variable in Env}
    environment = {name: value for name, value in os.environ.items() if name not in own}
    return environment | {"PYTHONSAFEPATH": "1"}


class StageProcess:
    """One process of a stage, with whatever it starts itself in its group."""

    def __init__(
        self, launch: Launch, stage: Stage, index: int, environment: Mapping[str, str], log: Path, attempt: int
    ) -> None:
        """Starts the process. Raises OSError."""
        self.index = index
        self.log = log
        self.follower = LogFollower(log)
        with log.open("ab") as file:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            file.write(f"--- {now} {stage.name}, worker {index}, attempt {attempt} ---\n".encode())
            file.flush()
            self._process = launch(stage, index, environment, file)

    def poll(self) -> int | None:
        """The exit code, or None while the process runs. Nothing of its group outlives it."""
        if self._process.returncode is None and self._process.poll() is not None:
            self._signal_group(signal.SIGKILL)
        return self._process.returncode

    def signal(self, number: int) -> None:
        """Sends a signal to the whole group, if the process still runs."""
        if self.poll() is None:
            self._signal_group(number)

    def wait(self) -> None:
        """Waits for the end of a process that was killed."""
        self._process.wait()
        self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def end_all(processes: list[StageProcess], is_hurried: Callable[[], bool]) -> None:
    """Ends all processes: SIGTERM first; SIGKILL after PATIENCE_SECONDS, or as soon as `is_hurried` says so."""
    for process in processes:
        process.signal(signal.SIGTERM)
    until = time.monotonic() + PATIENCE_SECONDS
    while any(process.poll() is None for process in processes):
        if is_hurried() or time.monotonic() >= until:
            for process in processes:
                process.signal(signal.SIGKILL)
            for process in processes:
                process.wait()
            return
        time.sleep(POLL_SECONDS)
