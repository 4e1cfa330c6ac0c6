"""The trainer's side of the contract: reads the environment, prints progress, writes results, ends with the right code.

Imports steelyard.api only.
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

from steelyard.api.contract import RESULT_LIMIT_BYTES, Env, ExitCode, Notice, Progress, Reason, Result, StageName
from steelyard.api.errors import ConfigurationError, SteelyardError, explain_os_error
from steelyard.api.loading import parse_training_job
from steelyard.api.training_job import TrainingJob
from steelyard.api.workspace import Workspace


@dataclass(frozen=True)
class StageContext:
    """What a stage is given."""

    stage: StageName
    job: TrainingJob
    workspace: Workspace
    base_dir: Path
    """What relative URIs are relative to."""
    key: str
    """The digest of the stage's inputs."""
    worker: int
    """Which of the stage's workers this process belongs to."""

    @classmethod
    def from_environment(cls, stage: StageName) -> "StageContext":
        """Raises ConfigurationError where a variable of the contract is missing."""
        spec_file = Path(_required(Env.SPEC_FILE))
        return cls(
            stage=stage,
            job=parse_training_job(json.loads(spec_file.read_text(encoding="utf-8")), source=str(spec_file)),
            workspace=Workspace(Path(_required(Env.WORKSPACE))),
            base_dir=Path(_required(Env.BASE_DIR)),
            key=_required(Env.STAGE_KEY),
            worker=int(os.environ.get(Env.WORKER_INDEX, "0")),
        )

    def resolve(self, uri: str) -> Path:
        """The path of a file: URI or path; relative ones lie in base_dir."""
        return self.base_dir / uri.removeprefix("file://").removeprefix("file:")

    def progress(self, done: int, total: int, unit: str, **values: float) -> None:
        """Prints how far the stage is."""
        _print(Progress(self.stage, done, total, unit, values, self.worker).to_json())

    def notice(self, message: str, reason: str = "") -> None:
        """Prints something that a person should know."""
        _print(Notice(self.stage, message, reason, self.worker).to_json())


@dataclass(frozen=True)
class Outcome:
    """What a stage that succeeded has to say."""

    message: str
    summary: dict[str, Any]


def run_stage(stage: StageName, work: Callable[[StageContext], Outcome]) -> NoReturn:
    """Runs a stage and ends the process as the contract says.

    A SteelyardError and a full or read-only disk become a result with their reason and message; SIGTERM ends with
    "try again"; anything else is a crash: a traceback in the log, a result that says so, exit code 1.
    """
    signal.signal(signal.SIGTERM, _leave)
    key = os.environ.get(Env.STAGE_KEY, "")
    try:
        _reserve_result()
        outcome = work(StageContext.from_environment(stage))
    except SteelyardError as error:
        end(Result(stage, key, error.reason, error.message), error.exit_code)
    except OSError as error:
        if (explained := explain_os_error(error)) is None:
            _end_crashed(stage, key, error)
        end(Result(stage, key, explained.reason, explained.message), explained.exit_code)
    except Exception as error:  # noqa: BLE001 - whatever it is, the result must say so
        _end_crashed(stage, key, error)
    end(Result(stage, key, Reason.SUCCEEDED, outcome.message, outcome.summary), ExitCode.DONE)


def end(result: Result, exit_code: int) -> NoReturn:
    """Writes the result document and ends the process at once, whatever threads TensorFlow still has."""
    write_result(result)
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
    """Takes the room for the result while there is some: a stage that fills the disk must be able to say so."""
    if path := os.environ.get(Env.RESULT_FILE):
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


def _leave(_signal: int, _frame: object) -> None:
    os._exit(ExitCode.TRY_AGAIN)


def _end_crashed(stage: str, key: str, error: BaseException) -> NoReturn:
    traceback.print_exception(error)
    with suppress(OSError):
        write_result(Result(stage, key, Reason.CRASHED, f"{type(error).__name__}: {error}"))
    sys.stderr.flush()
    os._exit(1)


def _print(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def _required(variable: Env) -> str:
    if not (value := os.environ.get(variable)):
        raise ConfigurationError(f"the environment variable {variable} is not set; the runner of the stage sets it")
    return value
