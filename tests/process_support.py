"""Finds the processes of a job by the workspace that they were given, whoever their parent is by now."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from steelyard.contract.stages import Env

PATIENCE_SECONDS = 10.0


def processes_under(folder: Path) -> list[psutil.Process]:
    """The processes, zombies aside, that were given a workspace in this folder, whoever their parent is by now."""
    found = []
    for process in psutil.process_iter():
        try:
            workspace = process.environ().get(Env.WORKSPACE, "")
            if process.pid != os.getpid() and workspace and Path(workspace).is_relative_to(folder):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def wait_for_none_under(folder: Path, seconds: float = PATIENCE_SECONDS) -> list[psutil.Process]:
    """Waits until no process has a workspace in this folder; returns those that are there in spite of that."""
    until = time.monotonic() + seconds
    while (found := processes_under(folder)) and time.monotonic() < until:
        time.sleep(0.05)
    return found


@contextmanager
def memory_group(mebibytes: int) -> Iterator[Path]:
    """A control group (version 1) that may use so much memory; skips the test where none can be made."""
    folder = Path(f"/sys/fs/cgroup/memory/steelyard-test-{os.getpid()}")
    try:
        folder.mkdir()
        (folder / "memory.limit_in_bytes").write_text(str(mebibytes << 20))
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        yield folder
    finally:
        folder.rmdir()
