"""What follows from the way in which a stage's processes ended: done, again or failed. Pure. Imports the contract and
the api only.

One rule, wherever they ran: the local runner counts the attempts itself; on a cluster a Job's controller has counted
them, and the supervisor of a gang counts those of its own process.
"""

import signal
from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.api.run_policy import RunPolicy
from steelyard.contract.stages import EndKind, ExitCode, Reason, Result
from steelyard.texts.figures import ended_early, signal_name, times

LONGEST_PAUSE_SECONDS = 30.0


def permanent_reason(exit_code: int, result: Result | None) -> str:
    """Why a stage failed for good: its own reason, or what the exit code stands for where it left no result."""
    return result.reason if result is not None else _PERMANENT_REASONS[exit_code]


@dataclass(frozen=True)
class ProcessEnd:
    """How one process of a stage ended."""

    worker: int
    exit_code: int
    """Below 0: the number of the signal that killed it."""
    result: Result | None = None
    """Its result document, if it left one."""
    last_lines: str = ""
    """The log's last lines, for a process without a result."""

    @property
    def kind(self) -> EndKind:
        """What it means for the stage."""
        return EndKind.of(self.exit_code)

    def describe(self) -> str:
        """What happened, in words."""
        if self.result is not None and self.exit_code != 0:
            return self.result.message
        if self.exit_code < 0:
            cause = f"it was killed by {signal_name(-self.exit_code)}"
            if self.exit_code == -signal.SIGKILL:
                cause += ", as the system does when the memory is used up"
        elif self.exit_code == 0:
            cause = "it ended with exit code 0, but left no result of this stage"
        else:
            cause = f"it ended with exit code {self.exit_code}"
        return cause + (f"; its last words:\n{self.last_lines}" if self.last_lines else "")


@dataclass(frozen=True)
class Done:
    """The stage is done."""

    result: Result


@dataclass(frozen=True)
class Again:
    """The stage is to be started again."""

    reason: str
    message: str
    pause_seconds: float


@dataclass(frozen=True)
class Failed:
    """The job has failed for good."""

    reason: str
    message: str
    exit_code: int
    worker: int
    """Whose end says why."""


@dataclass
class Attempts:
    """How often a stage ended before it was done."""

    crashes: int = 0
    disruptions: int = 0


def judge(stage: str, ends: Sequence[ProcessEnd], before: Attempts, policy: RunPolicy) -> Done | Again | Failed:
    """What to do after a stage's processes ended.

    Args:
        stage: the stage's name, for messages.
        ends: how the processes ended by themselves; those that the runner ended are not among them. Not empty.
        before: how often the stage was tried before; this end is counted in it.
        policy: how often it may be tried.

    The reasons of _FINAL_REASONS say that the program itself has tried again as often as it may.
    """
    if permanent := next((end for end in ends if end.kind is EndKind.PERMANENT), None):
        reason = permanent_reason(permanent.exit_code, permanent.result)
        # What a supervisor has counted ends as what the runner counts.
        code = 1 if permanent.exit_code == ExitCode.SPENT else permanent.exit_code
        return Failed(reason, permanent.describe(), code, permanent.worker)
    for end in ends:
        if end.exit_code > 0 and end.result is not None and end.result.reason in _FINAL_REASONS:
            return Failed(end.result.reason, end.describe(), end.exit_code, end.worker)
    crashed = next((end for end in ends if end.kind is EndKind.CRASHED), None)
    disrupted = next((end for end in ends if end.kind is EndKind.INTERRUPTED), None)
    if crashed is None and disrupted is None:
        if ends[0].result is not None:
            return Done(ends[0].result)
        crashed = ends[0]
    if crashed is not None:
        before.crashes += 1
        what = f"worker {crashed.worker} of {stage} crashed: {crashed.describe()}"
        is_too_often = before.crashes > policy.backoff_limit
        pause = min(LONGEST_PAUSE_SECONDS, 2.0 ** (before.crashes - 1))
        if crashed.result is not None and crashed.result.reason == Reason.STALLED:
            if is_too_often:
                message = f"{crashed.describe()}; {ended_early(before.crashes)}"
                return Failed(Reason.STALLED, message, 1, crashed.worker)
            return Again(Reason.STALLED, crashed.describe(), pause)
        if is_too_often:
            return Failed(
                Reason.BACKOFF_LIMIT_EXCEEDED,
                f"{stage} crashed {times(before.crashes)} and runPolicy.backoffLimit is {policy.backoff_limit}; last, "
                f"{what}",
                1,
                crashed.worker,
            )
        return Again(Reason.CRASHED, what, pause)
    assert disrupted is not None
    before.disruptions += 1
    reason = disrupted.result.reason if disrupted.result else Reason.WORKER_LOST
    if before.disruptions > policy.disruption_limit:
        return Failed(
            Reason.RETRIES_EXHAUSTED,
            f"{stage} was interrupted {times(before.disruptions)} and runPolicy.disruptionLimit is "
            f"{policy.disruption_limit}; last: {disrupted.describe()}",
            ExitCode.TRY_AGAIN,
            disrupted.worker,
        )
    return Again(reason, disrupted.describe(), 1.0)


_FINAL_REASONS = frozenset({Reason.WORKERS_NOT_READY, Reason.RETRIES_EXHAUSTED, Reason.BACKOFF_LIMIT_EXCEEDED})
_PERMANENT_REASONS: dict[int, str] = {
    ExitCode.GATE_FAILED: Reason.GATE_FAILED,
    ExitCode.DATA: Reason.INVALID_DATA,
    ExitCode.SPENT: Reason.STALLED,
    ExitCode.CONFIGURATION: Reason.INVALID_CONFIGURATION,
}
