"""How a process of the trainer ends: its outcome, the result document, the exit code; and what it prints meanwhile.

Imports what is pure of the contract only, as the supervisor does that stands before users' own programs.
"""

import ctypes
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from steelyard.contract.errors import StageError
from steelyard.contract.stages import RESULT_LIMIT_BYTES, Env, ExitCode, Reason, Result
from steelyard_trainer import pulse


@dataclass(frozen=True)
class Outcome:
    """What a stage that succeeded has to say."""

    message: str
    summary: dict[str, Any]
    reason: str = Reason.SUCCEEDED
    """Succeeded; or Pruned, of a trial that gave up."""


def run_process(
    stage: str, work: Callable[[], Outcome], explained: Callable[[Exception], StageError | None] = lambda _error: None
) -> NoReturn:
    """Does a stage's work and ends the process as the contract says.

    Args:
        stage: its name.
        work: does it.
        explained: a fault that is no StageError in a user's words; None where it is a crash.

    A StageError and what is explained become a result with their reason and message; SIGTERM ends with "try again";
    anything else is a crash: a traceback in the log, a result that says so, exit code 1.
    """
    key = os.environ.get(Env.STAGE_KEY, "")
    signal.signal(signal.SIGTERM, lambda _signal, _frame: _leave(stage, key))
    try:
        _reserve_result()
        outcome = work()
    except SystemExit as error:
        # A user's code may call it; whether the work is done is for the work to say.
        _end_crashed(stage, key, RuntimeError(f"the program ended itself in mid-{stage}, by sys.exit({error.code!r})"))
    except Exception as error:  # noqa: BLE001 - whatever it is, the result must say so
        told = error if isinstance(error, StageError) else explained(error)
        if told is None:
            _end_crashed(stage, key, error)
        end(Result(stage, key, told.reason, told.message), told.exit_code)
    end(Result(stage, key, outcome.reason, outcome.message, outcome.summary), ExitCode.DONE)


def end(result: Result, exit_code: int) -> NoReturn:
    """Writes the result document and ends the process at once, whatever threads TensorFlow still has."""
    try:
        write_result(result)
    except OSError as error:
        # The exit code is what counts.
        traceback.print_exception(error)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)


def write_result(result: Result) -> None:
    """Writes the result document where the environment says; nowhere if it says nothing."""
    if path := os.environ.get(Env.RESULT_FILE):
        # In place, not by rename: Kubernetes gives the container this one file.
        with Path(path).open("r+b" if Path(path).exists() else "wb") as file:
            file.write(fit_result(result))
            file.truncate()


def _reserve_result() -> None:
    """Takes the room for the result while there is some: a stage that fills the disk must be able to say so.

    A file that is there already is Kubernetes's, lies elsewhere, and would be reported as it is after a SIGKILL.
    """
    if (path := os.environ.get(Env.RESULT_FILE)) and not Path(path).exists():
        Path(path).write_bytes(b" " * RESULT_LIMIT_BYTES)


def fit_result(result: Result) -> bytes:
    """The document in at most RESULT_LIMIT_BYTES bytes of valid JSON: what is too long is shortened, longest first."""
    document = result.to_json()
    while len(encoded := json.dumps(document, separators=(",", ":"), allow_nan=False).encode()) > RESULT_LIMIT_BYTES:
        _shorten(document)
    return encoded


def _shorten(document: dict[str, Any]) -> None:
    """Halves the longest text or list of the document, or drops the largest entry of its summary."""
    summary = document["summary"]
    sizes = {("message",): len(document["message"])} | {
        ("summary", key): len(json.dumps(value)) for key, value in summary.items()
    }
    *_, field = largest = max(sizes, key=lambda path: sizes[path])
    holder = summary if largest[0] == "summary" else document
    value = holder[field]
    if isinstance(value, str) and len(value) > 40:
        holder[field] = value[: len(value) // 2] + " ..."
    elif isinstance(value, list) and value:
        holder[field] = value[: len(value) // 2]
    else:
        del holder[field]


def die_with_parent() -> None:
    """Makes this process end when its parent does, however the parent ends.

    Linux kills it at once (PR_SET_PDEATHSIG); elsewhere a thread looks twice a second. Does nothing in a container,
    where Env.PARENT_PID is not set.
    """
    if not (expected := os.environ.get(Env.PARENT_PID)):
        return
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    else:
        threading.Thread(target=_watch_parent, args=(int(expected),), daemon=True).start()
    # The parent may have been gone before the kernel was asked.
    if os.getppid() != int(expected):
        os._exit(ExitCode.TRY_AGAIN)


def _watch_parent(expected: int) -> None:
    while os.getppid() == expected:
        time.sleep(0.5)
    os._exit(ExitCode.TRY_AGAIN)


def _leave(stage: str, key: str) -> NoReturn:
    """Ends the process on SIGTERM, wherever it is: what it was making is incomplete, and not seen by the next."""
    message = f"{stage} was asked to end; it goes on where it can when it is started again"
    with suppress(OSError):
        write_result(Result(stage, key, Reason.INTERRUPTED, message))
    os._exit(ExitCode.TRY_AGAIN)


def _end_crashed(stage: str, key: str, error: BaseException) -> NoReturn:
    traceback.print_exception(error)
    with suppress(OSError):
        write_result(Result(stage, key, Reason.CRASHED, f"{type(error).__name__}: {error}"))
    sys.stderr.flush()
    os._exit(1)


def print_event(line: dict[str, Any], *, before: str = "") -> None:
    """Prints a line of JSON for whoever follows the stage, after a text; who can say something goes on."""
    pulse.beat()
    print(before + json.dumps(line), flush=True)
