"""What a runner tells while it runs a job, beside the trainer's own Progress and Notice. Imports the contract only."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from steelyard.contract.stages import Notice, Progress, StageName


@dataclass(frozen=True)
class StageSkipped:
    """A stage whose result is there already."""

    stage: StageName
    message: str
    """Why it is not done again."""

    def to_json(self) -> dict[str, Any]:
        """The event as JSON values."""
        return {"event": "stageSkipped", "stage": self.stage, "message": self.message}


@dataclass(frozen=True)
class StageStarted:
    """The processes of a stage were started."""

    stage: StageName
    attempt: int
    """1 for the first start of this run."""
    workers: int
    message: str
    """Why the stage is done."""

    def to_json(self) -> dict[str, Any]:
        """The event as JSON values."""
        return {
            "event": "stageStarted",
            "stage": self.stage,
            "attempt": self.attempt,
            "workers": self.workers,
            "message": self.message,
        }


@dataclass(frozen=True)
class StageRetried:
    """A stage ended before it was done and will be started again."""

    stage: StageName
    reason: str
    message: str
    pause_seconds: float
    """How long the runner waits before."""

    def to_json(self) -> dict[str, Any]:
        """The event as JSON values."""
        return {
            "event": "stageRetried",
            "stage": self.stage,
            "reason": self.reason,
            "message": self.message,
            "pauseSeconds": self.pause_seconds,
        }


@dataclass(frozen=True)
class StageEnded:
    """A stage is done, or has failed for good."""

    stage: StageName
    reason: str
    message: str
    exit_code: int
    seconds: float
    """Since its first start in this run."""
    summary: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The event as JSON values."""
        return {
            "event": "stageEnded",
            "stage": self.stage,
            "reason": self.reason,
            "message": self.message,
            "exitCode": self.exit_code,
            "seconds": round(self.seconds, 3),
            "summary": self.summary,
        }


@dataclass(frozen=True)
class RunEnded:
    """The last event of a run."""

    job: str
    reason: str
    message: str
    exit_code: int
    seconds: float
    workspace: str
    summary: dict[str, Any] = field(default_factory=dict)
    """That of the finish stage."""

    def to_json(self) -> dict[str, Any]:
        """The event as JSON values."""
        return {
            "event": "runEnded",
            "job": self.job,
            "reason": self.reason,
            "message": self.message,
            "exitCode": self.exit_code,
            "seconds": round(self.seconds, 3),
            "workspace": self.workspace,
            "summary": self.summary,
        }


Event = Progress | Notice | StageSkipped | StageStarted | StageRetried | StageEnded | RunEnded
Report = Callable[[Event], None]
"""Is told every event, in order, by the thread that runs the job."""
