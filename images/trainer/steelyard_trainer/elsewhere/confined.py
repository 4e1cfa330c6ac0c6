"""A process for what may be hostile: with limits on memory, on the files that it writes and on time, without secrets in
its environment, and without a network where the system allows that. Imports the contract and the pulse.

The parent calls `run_confined`; the program begins with `confine`, before it imports anything large.
"""

import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from steelyard.api.errors import DataError
from steelyard.contract.stages import Env, ExitCode
from steelyard_trainer import pulse
from steelyard_trainer.contract import die_with_parent

MOST_MEMORY_BYTES = 4 * 2**30
"""What the process may allocate, beside the libraries that it loads."""
MOST_FILE_BYTES = 2 * 2**30
"""Of a file that it writes."""
MOST_SECONDS = 300.0
_BEAT_SECONDS = 1.0
FOUND_FILE, REFUSED_FILE = "found.json", "refused.txt"
"""What it says: in the folder that it is given."""
_KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "TF_CPP_MIN_LOG_LEVEL")
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_NO_NEW_PRIVS = 38


def run_confined(
    program: str, arguments: Sequence[str], folder: Path, where: str, *, seconds: float = MOST_SECONDS
) -> dict[str, Any]:
    """Runs a module of the trainer, and waits for it.

    Args:
        program: the module's name; it begins with `confine`, and ends with `finish` or `refuse`.
        arguments: what it is told after the folder.
        folder: where it writes; emptied by nobody.
        where: what the model is called, with the field that names it.
        seconds: how long it may take.

    Returns:
        What it said to `finish`.

    Raises:
        DataError: it refused the model, or went over a limit.
    """
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {Env.PARENT_PID: str(os.getpid()), "HOME": str(folder), "CUDA_VISIBLE_DEVICES": ""}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", program, str(folder), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            code = _wait(process, seconds)
        except subprocess.TimeoutExpired:
            raise DataError(
                f"{where} is not taken: reading it took more than the {seconds:g} s that are allowed"
            ) from None
        finally:
            process.kill()
            process.wait()
        if code == ExitCode.DATA and (refused := folder / REFUSED_FILE).is_file():
            raise DataError(f"{where} is not taken: {refused.read_text(encoding='utf-8')[:2000]}")
        if code != 0:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - 4000))
            raise DataError(f"{where} is not taken: {_why(code, log.read().decode('utf-8', 'replace'))}")
    found: dict[str, Any] = json.loads((folder / FOUND_FILE).read_bytes())
    return found


def _wait(process: subprocess.Popen[bytes], seconds: float) -> int:
    """How it ended. This process shows meanwhile that it goes on: the other one has a limit of its own. Raises
    TimeoutExpired."""
    until = time.monotonic() + seconds
    while True:
        try:
            return process.wait(min(_BEAT_SECONDS, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            if time.monotonic() >= until:
                raise
            pulse.beat()


def _why(code: int, log: str) -> str:
    lines = log.strip().splitlines()
    last = lines[-1].strip()[:300] if lines else ""
    if "MemoryError" in log or "bad_alloc" in log or "ResourceExhausted" in log or "OOM" in log:
        return f"reading it took more than the {MOST_MEMORY_BYTES // 2**20:,} MiB of memory that are allowed"
    how = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
    return f"the process that read it {how}; its last words: {last or 'none'}"


def confine() -> bool:
    """Puts this process under its limits, and ends it with its parent.

    Returns:
        Whether it has no network now. Where the system has no namespaces for users, it keeps its parent's.
    """
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, MOST_FILE_BYTES)
    # Linux counts what is allocated and not what is only mapped; elsewhere it may be a limit that nobody keeps.
    _limit(resource.RLIMIT_DATA, MOST_MEMORY_BYTES)
    is_cut_off = False
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        is_cut_off = bool(library.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0)
    die_with_parent()
    return is_cut_off


def _limit(which: int, most: int) -> None:
    """No more than this from now on, or than what was allowed before, where that is less."""
    allowed = resource.getrlimit(which)[1]
    least = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
    resource.setrlimit(which, (least, least))


def finish(folder: Path, found: dict[str, Any]) -> NoReturn:
    """The end of a program that took the model."""
    (folder / FOUND_FILE).write_text(json.dumps(found), encoding="utf-8")
    _leave(0)


def refuse(folder: Path, why: str) -> NoReturn:
    """The end of a program that did not; why goes on where the model's name and a colon end."""
    (folder / REFUSED_FILE).write_text(" ".join(why.split()), encoding="utf-8")
    _leave(ExitCode.DATA)


def _leave(code: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    # Whatever threads a library still has.
    os._exit(code)
