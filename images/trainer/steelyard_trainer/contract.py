"""The trainer's side of the contract: what a stage is given, progress, faults of the disk in a user's words.

Imports steelyard, attempts and process only.
"""

import errno
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TypeVar

from steelyard.api.errors import (
    MORE_ROOM_HERE,
    MORE_ROOM_ON_A_CLUSTER,
    ConfigurationError,
    SteelyardError,
    explain_os_error,
)
from steelyard.api.loading import parse_training_job
from steelyard.api.training_job import TrainingJob
from steelyard.contract.stages import Env, ExitCode, Notice, Progress, Reason, TrainerStage
from steelyard.contract.workspace import Workspace
from steelyard.stores.surroundings import Surroundings
from steelyard_trainer.attempts import Attempt
from steelyard_trainer.process import Outcome as Outcome
from steelyard_trainer.process import die_with_parent as die_with_parent
from steelyard_trainer.process import fit_result as fit_result
from steelyard_trainer.process import print_event as print_event
from steelyard_trainer.process import run_process
from steelyard_trainer.process import write_result as write_result

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
    code: Path | None = None
    """The folder that the user's own code is imported from; None where it is installed, or there is none."""
    code_digest: str = ""
    """Of the user's own code, installed or not; empty where there is none, and before the stage has begun."""

    @classmethod
    def from_environment(cls, stage: TrainerStage, job: TrainingJob | None = None) -> "StageContext":
        """Raises ConfigurationError where a variable of the contract is missing. Without `job` it is read, too."""
        job = job or _job()
        workspace = Workspace(Path(_required(Env.WORKSPACE)))
        base_dir, attempt = os.environ.get(Env.BASE_DIR), os.environ.get(Env.ATTEMPT)
        code, digest = os.environ.get(Env.CODE), os.environ.get(Env.CODE_DIGEST, "")
        return cls(
            stage=stage,
            job=job,
            workspace=workspace,
            base_dir=Path(base_dir) if base_dir else None,
            key=_required(Env.STAGE_KEY),
            worker=int(os.environ.get(Env.WORKER_INDEX, "0")),
            claims={claim: Path(folder) for claim, folder in json.loads(os.environ.get(Env.CLAIMS, "{}")).items()},
            attempt=Attempt.taken(workspace, stage, int(attempt)) if attempt else None,
            code=Path(code) if digest and code else None,
            code_digest=digest,
        )

    @property
    def work_key(self) -> str:
        """What unfinished work depends on: the stage's key and, as that may not know it, the user's own code."""
        if not self.code_digest:
            return self.key
        return hashlib.sha256(f"{self.key} {self.code_digest}".encode()).hexdigest()

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


Context = TypeVar("Context")


def run_stage(
    stage: TrainerStage,
    work: Callable[[Context], Outcome],
    context_of: Callable[[TrainerStage], Context],
) -> NoReturn:
    """Runs a stage and ends the process as `run_process` does; a full, read-only or lost disk is explained, too.

    Args:
        stage: its name.
        work: does it.
        context_of: makes what the work is given, from the environment.
    """
    run_process(stage, lambda: work(context_of(stage)), _explained)


def _explained(error: Exception) -> SteelyardError | None:
    """A fault of the disk in a user's words; None of any other."""
    fault = error if isinstance(error, OSError) else as_os_error(error)
    return None if fault is None else explain(fault)


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
