"""How a stage's Job ended, by the result documents of its pods: done, failed and why, or nobody can say any more."""

from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.contract.stages import EndKind, ExitCode, Reason, Result
from steelyard.controller.names import RESULT_FILE
from steelyard.controller.observation import Pod, StageJob
from steelyard.planning.verdicts import permanent_reason
from steelyard.texts.figures import ended_early
from steelyard.texts.images import with_ways_out


@dataclass(frozen=True)
class Done:
    """The stage is done."""

    result: Result


@dataclass(frozen=True)
class Broken:
    """The job has failed for good."""

    reason: str
    message: str


@dataclass(frozen=True)
class Lost:
    """The stage is done, but its result is lost: it runs again, finds its finished work and ends in seconds."""

    message: str


def ending_of(job: StageJob, key: str, pods: Sequence[Pod], *, own_program: bool = False) -> Done | Broken | Lost:
    """What a finished Job means.

    Args:
        job: the Job, Complete or Failed.
        key: the stage's key; a document under another key is not this stage's.
        pods: its pods.
        own_program: whether a program of the user's own ran in them: of its exit code 0 no document need tell.
    """
    if job.outcome == "Failed":
        return _failure(job, key, pods, own_program=own_program)
    chief = next((pod for pod in pods if pod.worker == 0 and pod.exit_code == ExitCode.DONE), None)
    if chief is None:
        return Lost(f"the pods of {job.name} were gone before the result was read")
    if own_program and chief.result is None:
        return Done(Result(job.stage, key, Reason.SUCCEEDED, "the program ended with exit code 0"))
    if not _is_of_stage(chief, job.stage, key):
        # Another run would end the same way.
        message = f"{_who(job, chief)} ended with exit code 0, but left no result of this stage in {RESULT_FILE}"
        return Broken(Reason.CRASHED, message)
    assert chief.result is not None
    return Done(chief.result)


def _failure(job: StageJob, key: str, pods: Sequence[Pod], *, own_program: bool) -> Broken:
    failed = [pod for pod in pods if pod.exit_code not in (None, ExitCode.DONE)]
    for pod in failed:
        result = pod.result if _is_of_stage(pod, job.stage, key) else None
        # The supervisor before a user's program leaves a document; what ended without one may be the program itself.
        is_ours = not own_program or result is not None
        if pod.exit_code is not None and EndKind.of(pod.exit_code, is_ours=is_ours) is EndKind.PERMANENT:
            unsaid = f"{_who(job, pod)} ended with exit code {pod.exit_code} and left no result{_said(pod)}"
            return Broken(permanent_reason(pod.exit_code, result), result.message if result else unsaid)
    crashed = [pod for pod in failed if not pod.was_interrupted]
    last = max(crashed, key=lambda pod: (pod.finished_at is not None, pod.finished_at, pod.name), default=None)
    if last is None:
        return Broken(job.reason or Reason.BACKOFF_LIMIT_EXCEEDED, f"{job.name} failed: {job.message or job.reason}")
    if last.result is not None and last.result.reason == Reason.OUT_OF_MEMORY:
        return Broken(Reason.OUT_OF_MEMORY, f"{_who(job, last)}: {last.result.message}")
    if last.result is not None and last.result.reason == Reason.STALLED:
        return Broken(Reason.STALLED, f"{last.result.message}; {ended_early(max(job.failed, 1))}")
    if last.is_out_of_memory:
        field = f"spec.template.resources.{job.stage}.limits.memory"
        message = f"{_who(job, last)} was killed as it used more memory than its limit; raise {field}"
        return Broken(Reason.OUT_OF_MEMORY, message)
    unsaid = f"it ended with exit code {last.exit_code} and left no result{_said(last)}"
    what = last.result.message if last.result else unsaid
    what = with_ways_out(what) if own_program else what
    return Broken(
        Reason.BACKOFF_LIMIT_EXCEEDED,
        f"{_who(job, last)} crashed, the last of {max(job.failed, 1)} crashes (spec.runPolicy.backoffLimit): {what}",
    )


def _said(pod: Pod) -> str:
    return f"; its last words: {pod.last_words}" if pod.last_words else ""


def _is_of_stage(pod: Pod, stage: str, key: str) -> bool:
    return pod.result is not None and (pod.result.stage, pod.result.key) == (stage, key)


def _who(job: StageJob, pod: Pod) -> str:
    return f"worker {pod.worker} of {job.stage}" if job.stage == "train" else job.stage
