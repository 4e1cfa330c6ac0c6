"""The trainer's side of the contract: reads the environment, prints progress, writes results, ends with the right code.

Imports steelyard and attempts only.
"""

import ctypes
import errno
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from steelyard.api.errors import (
    MORE_ROOM_HERE,
    MORE_ROOM_ON_A_CLUSTER,
    ConfigurationError,
    SteelyardError,
    explain_os_error,
)
from steelyard.api.loading import parse_training_job
from steelyard.api.training_job import TrainingJob
from steelyard.contract.stages import RESULT_LIMIT_BYTES, Env, ExitCode, Notice, Progress, Reason, Result, TrainerStage
from steelyard.contract.workspace import Workspace
from steelyard.stores.surroundings import Surroundings
from steelyard_trainer.attempts import Attempt

LOST_STORAGE = (errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENODEV, errno.ENXIO)
"""What the system says of a disk or file server that went away: it may come back."""


@dataclass(frozen=True)
class StageContext:
    """What a stage is given."""

    stage: TrainerStage
    job: TrainingJob
    workspace: Workspace
    base_dir: Path | None
    """What relative URIs are relative to; None on a cluster, which has none of the user's files."""
    key: str
    """The digest of the stage's inputs."""
    worker: int
    """Which of the stage's workers this process belongs to."""
    claims: Mapping[str, Path] = field(default_factory=dict)
    """The folders of the claims that this process can see, by name."""
    attempt: Attempt | None = None
    """This process's right to write; None before it took one, and in workers that write nothing."""

    @classmethod
    def from_environment(cls, stage: TrainerStage, job: TrainingJob | None = None) -> "StageContext":
        """Raises ConfigurationError where a variable of the contract is missing. Without `job` it is read, too."""
        job = job or _job()
        workspace = Workspace(Path(_required(Env.WORKSPACE)))
        base_dir, attempt = os.environ.get(Env.BASE_DIR), os.environ.get(Env.ATTEMPT)
        return cls(
            stage=stage,
            job=job,
            workspace=workspace,
            base_dir=Path(base_dir) if base_dir else None,
            key=_required(Env.STAGE_KEY),
            worker=int(os.environ.get(Env.WORKER_INDEX, "0")),
            claims={claim: Path(folder) for claim, folder in json.loads(os.environ.get(Env.CLAIMS, "{}")).items()},
            attempt=Attempt.taken(workspace, stage, int(attempt)) if attempt else None,
        )

    @property
    def surroundings(self) -> Surroundings:
        """What this process sees of the places that the manifest names."""
        return Surroundings(self.base_dir, self.claims)

    def reaches(self, uri: str) -> bool:
        """Whether this process can see the place at all; see `Surroundings.reaches`."""
        return self.surroundings.reaches(uri)

    def resolve(self, uri: str) -> Path:
        """Where a place lies here; see `Surroundings.path`. Raises ConfigurationError where it can't be seen."""
        return self.surroundings.path(uri)

    def show(self, uri: str) -> str:
        """What to call a place; see `Surroundings.shown`."""
        return self.surroundings.shown(uri)

    def check_attempt(self) -> None:
        """For the moment before something is put in place that others read.

        Raises:
            SteelyardError: another process was started in this one's place (reason AttemptSuperseded, exit code 75).
        """
        if self.attempt is not None:
            self.attempt.check()

    def progress(self, done: int, total: int, unit: str, **values: float) -> None:
        """Prints how far the stage is."""
        print_event(Progress(self.stage, done, total, unit, values, self.worker).to_json())

    def notice(self, message: str, reason: str = "") -> None:
        """Prints something that a person should know."""
        print_event(Notice(self.stage, message, reason, self.worker).to_json())


@dataclass(frozen=True)
class Outcome:
    """What a stage that succeeded has to say."""

    message: str
    summary: dict[str, Any]
    reason: str = Reason.SUCCEEDED
    """Succeeded; or Pruned, of a trial that gave up."""


Context = TypeVar("Context")


def run_stage(
    stage: TrainerStage,
    work: Callable[[Context], Outcome],
    context_of: Callable[[TrainerStage], Context],
) -> NoReturn:
    """Runs a stage and ends the process as the contract says.

    Args:
        stage: its name.
        work: does it.
        context_of: makes what the work is given, from the environment.

    A SteelyardError and a full, read-only or lost disk become a result with their reason and message; SIGTERM ends with
    "try again"; anything else is a crash: a traceback in the log, a result that says so, exit code 1.
    """
    key = os.environ.get(Env.STAGE_KEY, "")
    signal.signal(signal.SIGTERM, lambda _signal, _frame: _leave(stage, key))
    try:
        _reserve_result()
        outcome = work(context_of(stage))
    except SteelyardError as error:
        end(Result(stage, key, error.reason, error.message), error.exit_code)
    except Exception as error:  # noqa: BLE001 - whatever it is, the result must say so
        fault = error if isinstance(error, OSError) else as_os_error(error)
        if fault is None or (explained := explain(fault)) is None:
            _end_crashed(stage, key, error)
        end(Result(stage, key, explained.reason, explained.message), explained.exit_code)
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


def as_os_error(error: Exception) -> OSError | None:
    """A full disk as Python tells it, where a library has errors of its own for it, as TensorFlow has; None for any
    other fault."""
    said = str(error)
    full = (number for number in (errno.ENOSPC, errno.EDQUOT) if os.strerror(number) in said)
    return next((OSError(number, os.strerror(number)) for number in full), None)


def explain(error: OSError) -> SteelyardError | None:
    """A disk that is full, closed or lost, in a user's words; None for any other fault."""
    more_room = MORE_ROOM_HERE if Env.BASE_DIR in os.environ else MORE_ROOM_ON_A_CLUSTER
    return explain_os_error(error, more_room) or explain_lost_storage(error)


def explain_lost_storage(error: OSError) -> SteelyardError | None:
    """A disk or file server that went away, as something to try again; None for any other fault."""
    if error.errno not in LOST_STORAGE:
        return None
    where = f" at {error.filename}" if error.filename else ""
    return SteelyardError(
        f"the storage was lost{where}: {error.strerror}", reason=Reason.STORAGE_LOST, exit_code=ExitCode.TRY_AGAIN
    )


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


def print_event(line: dict[str, Any]) -> None:
    """Prints a line of JSON for whoever follows the stage."""
    print(json.dumps(line), flush=True)


def _job() -> TrainingJob:
    if inline := os.environ.get(Env.SPEC):
        return parse_training_job(json.loads(inline), source=Env.SPEC)
    if not (name := os.environ.get(Env.SPEC_FILE)):
        raise ConfigurationError(f"neither {Env.SPEC} nor {Env.SPEC_FILE} is set; the runner of the stage sets one")
    spec_file = Path(name)
    return parse_training_job(json.loads(spec_file.read_text(encoding="utf-8")), source=str(spec_file))


def _required(variable: Env) -> str:
    if not (value := os.environ.get(variable)):
        raise ConfigurationError(f"the environment variable {variable} is not set; the runner of the stage sets it")
    return value
