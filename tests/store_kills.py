"""Ends `put` with SIGKILL at each of its operations on files, in turn, and says what is there then and after another
`put`. A program of its own: `python store_kills.py CASE FOLDER`; one JSON object a line.

An operation is what Python's audit hooks tell of before it is done; copying and syncing are counted beside them, and a
copy is ended when it is half done. Nothing is synced: a kill is no power cut, and a busy disk takes its time.
"""

import itertools
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from store_support import StoreCase, case_in, model_in

OPERATIONS = ("open", "os.", "shutil.", "fcntl.")


class Killer:
    """Ends this process at its n-th operation, from 1."""

    def __init__(self, at: int) -> None:
        self.left = at

    def arm(self) -> None:
        """From now on operations are counted."""
        sendfile = os.sendfile
        os.sendfile = lambda out, read, offset, size: self._half(sendfile, out, read, offset, size)
        os.fsync = lambda _: self._count()
        sys.addaudithook(lambda event, _: self._count() if event.startswith(OPERATIONS) else None)

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def _half(self, sendfile: Callable[..., int], out: int, read: int, offset: int, size: int) -> int:
        if self.left == 1:
            sendfile(out, read, offset, 5)
        self._count()
        return sendfile(out, read, offset, size)


def killed_at(step: int, case: StoreCase, package: Path, digest: str) -> bool:
    """Whether a process that puts a model was killed at its n-th operation; False where it has fewer."""
    if (child := os.fork()) == 0:
        try:
            store = case.store("deep/model")
            Killer(step).arm()
            store.put(package, digest)
        except BaseException:  # noqa: BLE001 - the parent says so
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        assert os.WEXITSTATUS(status) == 0, "put failed"
        return False
    return True


def rounds(name: str, folder: Path) -> list[dict[str, Any]]:
    """Every step of a put to an empty place, and of one that replaces a model."""
    os.fsync = lambda _: None
    old, new = model_in(folder, "old"), model_in(folder, "new")
    found = []
    for before in (None, old):
        for step in itertools.count(1):
            case = case_in(name, folder / "place")
            if before is not None:
                case.store("deep/model").put(*before)
            was_killed = killed_at(step, case, *new)
            after = case.digest("deep/model")
            case.store("deep/model").put(*new)
            found.append(
                {
                    "step": step,
                    "before": before[1] if before else "",
                    "wasKilled": was_killed,
                    "after": after,
                    "again": case.digest("deep/model"),
                    "beside": case.names("deep"),
                    "new": new[1],
                }
            )
            shutil.rmtree(folder / "place")
            if not was_killed:
                break
    return found


if __name__ == "__main__":
    for line in rounds(sys.argv[1], Path(sys.argv[2])):
        print(json.dumps(line))
