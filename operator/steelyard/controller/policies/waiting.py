"""What may still appear or free itself: a claim, a Secret, quota, room on the nodes, an image.

A job waits for it, says so in the words of whoever knows, and fails after `runPolicy.startTimeoutSeconds`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from steelyard.api.run_policy import RunPolicy
from steelyard.contract.stages import Reason
from steelyard.controller.events import Event
from steelyard.controller.observation import Pod
from steelyard.controller.policies.base import CHECK_AGAIN_SECONDS, GO, RemakeMissing, Verdict
from steelyard.controller.policies.endings import Broken

SETTLE_SECONDS = 10.0
"""How long pods may take to be made, scheduled and started before it counts as waiting."""


@dataclass(frozen=True)
class Wait:
    """Something that a job waits for."""

    reason: str
    """Such as Unschedulable, ImagePullBackOff, FailedMount, FailedCreate."""
    message: str


class WaitingDraft(Protocol):
    """What this policy reads of a status, and writes into it."""

    @property
    def waiting_since(self) -> datetime | None:
        """None where the job does not wait."""

    def wait(self, reason: str, message: str) -> None:
        """The job waits for something."""

    def stop_waiting(self) -> None:
        """What it waited for is there."""


class WaitingCase(Protocol):
    """What this policy sees of a job."""

    @property
    def run_policy(self) -> RunPolicy:
        """spec.runPolicy."""

    @property
    def draft(self) -> WaitingDraft:
        """Its status."""

    @property
    def running(self) -> str:
        """The stage that runs, or is to."""

    @property
    def workers(self) -> int:
        """How many pods it needs."""

    @property
    def pods(self) -> Sequence[Pod] | None:
        """Those that it has; None where nobody looked."""

    def told(self, wait: Wait) -> Wait:
        """What it waits for, with what a person may do about it."""

    @property
    def words(self) -> Wait | None:
        """What Events say of pods that are lacking."""

    @property
    def obstacle(self) -> Wait | None:
        """What kept the pods from being made, and may pass."""

    @property
    def own_children(self) -> Collection[str]:
        """The names of what the operator makes for the pods."""

    @property
    def now(self) -> datetime:
        """The time."""


def judge(case: WaitingCase) -> Verdict:
    """Says that a stage waits, and for what; fails a job that has waited too long."""
    if case.obstacle is not None:
        return _wait(case, case.obstacle)
    pods = case.pods
    if pods is None:
        return GO
    wait = wait_of(pods, case.workers, case.words)
    if wait is not None:
        return _wait(case, case.told(wait))
    if all_run(pods, case.workers):
        case.draft.stop_waiting()
    return GO


def _wait(case: WaitingCase, wait: Wait) -> Verdict:
    draft, stage = case.draft, case.running
    is_new = draft.waiting_since is None
    events = (Event(wait.reason, f"{stage} waits: {wait.message}", is_warning=True),) if is_new else ()
    draft.wait(wait.reason, wait.message)
    since = draft.waiting_since
    assert since is not None
    left = start_seconds_left(case.run_policy, since, case.now)
    if left is not None and left <= 0:
        limit = f"{case.run_policy.start_timeout_seconds} s (spec.runPolicy.startTimeoutSeconds)"
        failure = Broken(Reason.START_TIMEOUT, f"{stage} waited {limit} in vain: {wait.message}")
        return Verdict(failure, events=events)
    # Somebody may have removed what the operator made.
    is_own = "not found" in wait.message and any(f'"{name}"' in wait.message for name in case.own_children)
    return Verdict(actions=(RemakeMissing(),) * is_own, events=events, again_after=CHECK_AGAIN_SECONDS)


def all_run(pods: Sequence[Pod], workers: int) -> bool:
    """Whether every worker has a pod that runs or has done its work."""
    return len({pod.worker for pod in pods if pod.phase in ("Running", "Succeeded")}) == workers


def wait_of(pods: Sequence[Pod], workers: int, words: Wait | None) -> Wait | None:
    """What keeps a stage from having all its pods.

    Args:
        pods: the stage's pods.
        workers: how many it needs.
        words: what Events say, where the pods themselves say nothing.
    """
    living = [pod for pod in pods if pod.phase in ("Pending", "Running") and pod.deleted_at is None]
    for pod in living:
        if pod.phase == "Pending" and pod.waiting_reason:
            return Wait(pod.waiting_reason, f"{pod.name}: {pod.waiting_message or pod.waiting_reason}")
    is_short = len([pod for pod in pods if pod.phase != "Failed"]) < workers
    is_starting = any(pod.phase == "Pending" for pod in living)
    return words if is_short or is_starting else None


def start_seconds_left(policy: RunPolicy, waiting_since: datetime, now: datetime) -> float | None:
    """Seconds until the job has waited too long, 0 or less where it has; None where it may wait for ever."""
    if policy.start_timeout_seconds == 0:
        return None
    return policy.start_timeout_seconds - (now - waiting_since).total_seconds()
