"""What may still appear or free itself: a claim, a Secret, quota, room on the nodes, an image.

A job waits for it, says so in the words of whoever knows, and fails after `runPolicy.startTimeoutSeconds`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from steelyard.api.run_policy import RunPolicy
from steelyard.controller.observation import Pod

SETTLE_SECONDS = 10.0
"""How long pods may take to be made, scheduled and started before it counts as waiting."""


@dataclass(frozen=True)
class Wait:
    """Something that a job waits for."""

    reason: str
    """Such as Unschedulable, ImagePullBackOff, FailedMount, FailedCreate."""
    message: str


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
