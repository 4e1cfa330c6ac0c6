"""The contract between a runner and the trainer program: exit codes, reasons, environment, progress lines, results.

A user's own container honors it too: nothing here is Python's own, all of it is files, environment variables, exit
codes and lines of JSON. Imports the standard library only.
"""

from dataclasses import asdict, dataclass, field
from enum import Enum, IntEnum, StrEnum, auto
from typing import Any, Literal

RESULT_LIMIT_BYTES = 4096
"""What Kubernetes keeps of a container's termination message."""

StageName = Literal["prepare", "train", "finish"]
TrainerStage = StageName | Literal["pack"]
"""What a process of the trainer runs: a stage of a job, or a pack of trials."""


class ExitCode(IntEnum):
    """How a stage's process ends. Anything else is a crash, which counts against runPolicy.backoffLimit."""

    DONE = 0
    GATE_FAILED = 10
    """The model was not good enough; permanent."""
    DATA = 65
    """The data is bad; permanent."""
    SPENT = 70
    """It stalled, and its supervisor has started it again as often as runPolicy.backoffLimit allows; permanent."""
    TRY_AGAIN = 75
    """A worker or the storage was lost, or SIGTERM came; limited by runPolicy.disruptionLimit."""
    CONFIGURATION = 78
    """The manifest or the machine's set-up is bad; permanent."""


_PERMANENT_OF_ANY = frozenset({ExitCode.DATA, ExitCode.CONFIGURATION})
_PERMANENT = _PERMANENT_OF_ANY | {ExitCode.GATE_FAILED, ExitCode.SPENT}


class EndKind(Enum):
    """What an end means for the stage. Of several processes' ends a permanent one outweighs a crash, and a crash
    outweighs an interruption: a worker gives up as well because it lost the crashed one."""

    DONE = auto()
    PERMANENT = auto()
    """Another attempt would end the same way."""
    CRASHED = auto()
    """Counts against runPolicy.backoffLimit."""
    INTERRUPTED = auto()
    """Through no fault of the work's; counts against runPolicy.disruptionLimit."""

    @classmethod
    def of(cls, exit_code: int, *, is_ours: bool = True) -> "EndKind":
        """From the exit code; below 0 it is the number of the signal that killed the process.

        Args:
            exit_code: the process's.
            is_ours: whether it is a program of ours. What another means by 10 or 70 is its own business: a crash.
        """
        if exit_code in (_PERMANENT if is_ours else _PERMANENT_OF_ANY):
            return cls.PERMANENT
        if exit_code == ExitCode.TRY_AGAIN:
            return cls.INTERRUPTED
        return cls.DONE if exit_code == ExitCode.DONE else cls.CRASHED


class Reason(StrEnum):
    """Why something is as it is: for programs to switch on."""

    SUCCEEDED = "Succeeded"
    ALREADY_FINISHED = "AlreadyFinished"
    INVALID_MANIFEST = "InvalidManifest"
    INVALID_CONFIGURATION = "InvalidConfiguration"
    INVALID_DATA = "InvalidData"
    CHECK_FAILED = "CheckFailed"
    SOURCE_NOT_FOUND = "SourceNotFound"
    NO_SPACE = "NoSpaceLeft"
    NOT_WRITABLE = "NotWritable"
    WORKSPACE_IN_USE = "WorkspaceInUse"
    WORKSPACE_OF_ANOTHER_JOB = "WorkspaceOfAnotherJob"
    TARGET_OCCUPIED = "TargetOccupied"
    LOSS_NOT_FINITE = "LossNotFinite"
    GATE_FAILED = "GateFailed"
    WORKERS_NOT_READY = "WorkersNotReady"
    WORKER_LOST = "WorkerLost"
    STORAGE_LOST = "StorageLost"
    RETRIES_EXHAUSTED = "RetriesExhausted"
    BACKOFF_LIMIT_EXCEEDED = "BackoffLimitExceeded"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    INTERRUPTED = "Interrupted"
    CRASHED = "Crashed"
    STALLED = "Stalled"
    MODEL_NOT_INTACT = "ModelNotIntact"
    OUT_OF_MEMORY = "OutOfMemory"
    ATTEMPT_SUPERSEDED = "AttemptSuperseded"
    CHILD_NAME_TAKEN = "ChildNameTaken"
    CHILD_REFUSED = "ChildRefused"
    START_TIMEOUT = "StartTimeout"
    NOT_ALLOWED = "NotAllowed"
    NO_CONNECTION = "NoConnection"
    PRUNED = "Pruned"
    TARGET_REACHED = "TargetReached"
    NO_IMPROVEMENT = "NoImprovement"
    TIME_IS_UP = "TimeIsUp"
    SPACE_EXHAUSTED = "SpaceExhausted"
    TOO_MANY_FAILED_TRIALS = "TooManyFailedTrials"
    NO_ANSWER = "NoAnswer"


class Env(StrEnum):
    """The environment variables that a runner sets for the trainer program."""

    SPEC = "STEELYARD_SPEC"
    """The manifest as JSON; this or SPEC_FILE."""
    SPEC_FILE = "STEELYARD_SPEC_FILE"
    """The manifest as a JSON file; this or SPEC."""
    WORKSPACE = "STEELYARD_WORKSPACE"
    """The folder that all stages and workers of the job share."""
    BASE_DIR = "STEELYARD_BASE_DIR"
    """The folder that relative URIs are relative to; unset on a cluster, where there are none."""
    CLAIMS = "STEELYARD_CLAIMS"
    """The folders of the claims that the manifest names, as a JSON object: {"CLAIM": "/folder"}."""
    STAGE_KEY = "STEELYARD_STAGE_KEY"
    """The digest of the stage's inputs: what was made under another key is not used."""
    RESULT_FILE = "STEELYARD_RESULT_FILE"
    """Where the result document goes."""
    PARENT_PID = "STEELYARD_PARENT_PID"
    """The process without which this one must not live on; unset where a container ends everything anyway."""
    WORKER_INDEX = "STEELYARD_WORKER_INDEX"
    """Which of the workers this is, from 0."""
    SUPERVISORS = "STEELYARD_SUPERVISORS"
    """host:port of each worker's supervisor, by worker, with commas between; unset for one worker."""
    WORKERS = "STEELYARD_WORKERS"
    """host:port of each worker, by worker, with commas between: for what the model's library says between its
    processes; unset for one worker."""
    ATTEMPT = "STEELYARD_ATTEMPT"
    """The number of the attempt that a supervisor took in the workspace, for the process that it starts; no runner sets
    it. A process with an older number than the workspace's writes nothing more."""
    PULSE = "STEELYARD_PULSE"
    """A folder in which whoever watches a process wants to see that it goes on (runPolicy.stallTimeoutSeconds); no
    runner sets it."""
    SEARCH_FILE = "STEELYARD_SEARCH_FILE"
    """finish of a search's best job: a JSON file with the search and its log (search/log.py: SearchDocument), to be
    published with the model; unset elsewhere."""
    PACK_FILE = "STEELYARD_PACK_FILE"
    """pack: a JSON file {"trials": [TrainingJob, ...], "workspaces": {"NUMBER": "/folder"}} with the trials' manifests
    and, where they are networks, which leave their models there, their own workspaces."""
    PACK_PROCESSES = "STEELYARD_PACK_PROCESSES"
    """pack: how many trials run at the same time. Default: 1."""
    PACK_ROUNDS = "STEELYARD_PACK_ROUNDS"
    """pack: a folder in which further files like the pack's appear, 1.json, 2.json ..., complete or absent; where it is
    set, the process stays for them until its runner ends it. A cluster's packs end with their only file."""
    RUN_POLICY = "STEELYARD_RUN_POLICY"
    """How often and how long a supervisor tries, for a program that is not ours, as a JSON object with spec.runPolicy's
    backoffLimit, disruptionLimit and gangTimeoutSeconds. Our own reads the manifest."""
    DATA_DIR = "STEELYARD_DATA_DIR"
    """For a program of the user's own, as are the next four: the prepared dataset."""
    CHECKPOINT_DIR = "STEELYARD_CHECKPOINT_DIR"
    """Where it leaves what it goes on from when it is started again."""
    MODEL_DIR = "STEELYARD_MODEL_DIR"
    """Where its model goes."""
    METRICS_FILE = "STEELYARD_METRICS_FILE"
    """Where it may leave figures: a JSON object of numbers by name."""
    SEED = "STEELYARD_SEED"
    """`spec.training.seed`."""
    CODE = "STEELYARD_CODE"
    """The user's own code (model.entrypoint.code). A runner sets it to where it lies for this process: a folder that is
    complete, or on a cluster the mounted ConfigMap. The trainer sets it, for the processes that it starts, to the
    folder that the code is imported from."""
    CODE_DIGEST = "STEELYARD_CODE_DIGEST"
    """The digest of the user's own code, once it is in that folder; no runner sets it."""
    THREADS = "STEELYARD_THREADS"
    """Threads of one operation of the model's library; part of what makes a run repeatable. Default: the CPUs of the
    process."""


@dataclass(frozen=True)
class Progress:
    """A line of standard output: how far a stage is."""

    stage: str
    done: int
    total: int
    unit: str
    """What is counted: rows, epochs, candidates ..."""
    values: dict[str, float] = field(default_factory=dict)
    """Figures so far, such as loss and val_accuracy."""
    worker: int = 0

    def to_json(self) -> dict[str, Any]:
        """The line as JSON values."""
        return {"event": "progress", **asdict(self)}


@dataclass(frozen=True)
class Notice:
    """A line of standard output: something that a person should know, such as a resume."""

    stage: str
    message: str
    reason: str = ""
    worker: int = 0

    def to_json(self) -> dict[str, Any]:
        """The line as JSON values."""
        return {"event": "notice", **asdict(self)}


@dataclass(frozen=True)
class Result:
    """How a stage ended: one JSON document of at most RESULT_LIMIT_BYTES bytes."""

    stage: str
    key: str
    reason: str
    message: str
    summary: dict[str, Any] = field(default_factory=dict)
    """What the status shows: one of `steelyard.contract.summaries`."""

    def to_json(self) -> dict[str, Any]:
        """The document as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Result":
        """Raises TypeError where the document is no result: it may be another program's."""
        result = cls(**document)
        _require(str, result.stage, result.key, result.reason, result.message)
        _require(dict, result.summary)
        return result


def _require(kind: type, *values: object) -> None:
    if not all(isinstance(value, kind) for value in values):
        raise TypeError(f"{values!r:.100} should be {kind.__name__}")
