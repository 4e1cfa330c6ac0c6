"""Keeps two runs out of one workspace. Imports the api only."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from steelyard.api.errors import ConfigurationError
from steelyard.contract.stages import Reason
from steelyard.contract.workspace import Workspace


@contextmanager
def locked(workspace: Workspace) -> Iterator[None]:
    """Holds the workspace's lock; the kernel frees it when this process ends, however it ends.

    The file is not inherited by children (Python opens files so), or they would hold the lock on.

    Raises:
        ConfigurationError: another process holds it.
        OSError: the lock can't be written.
    """
    descriptor = os.open(workspace.lock_file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            raise ConfigurationError(
                f"the workspace {workspace.root} is in use by another run (process {holder}); wait for its end, or use "
                "another --workspace",
                reason=Reason.WORKSPACE_IN_USE,
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)
