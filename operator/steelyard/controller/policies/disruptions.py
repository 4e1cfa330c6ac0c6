"""`runPolicy.disruptionLimit`: how often pods may be lost, evicted or end with "try again", and which are kept.

Kubernetes repeats such a pod without end and keeps every dead one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from steelyard.api.run_policy import RunPolicy
from steelyard.contract.stages import Reason
from steelyard.controller.observation import Pod
from steelyard.controller.policies.base import GO, DeletePod, PodAction, RemakeMissing, Verdict
from steelyard.controller.policies.endings import Broken
from steelyard.controller.policies.lost_nodes import LostNodesCase, ended_pods
from steelyard.texts.figures import times

KEPT_DEAD_PODS = 3
"""For whoever wants to read their logs."""


@dataclass(frozen=True)
class Disruptions:
    """The count so far, over all stages."""

    count: int
    last: datetime | None
    """When the last one that is counted ended: a later end is a new one. Kept beside the count in the status, so that
    each pod is counted once whatever becomes of the operator."""
    newest: Pod | None = None
    """The last one, where it is new."""


class DisruptionsDraft(Protocol):
    """What this policy reads of a status, and writes into it."""

    @property
    def disruptions(self) -> Disruptions:
        """The count so far."""

    def count(self, disruptions: Disruptions) -> None:
        """The count as it is now."""


class DisruptionsCase(LostNodesCase, Protocol):
    """What this policy sees of a job."""

    @property
    def run_policy(self) -> RunPolicy:
        """spec.runPolicy."""

    @property
    def draft(self) -> DisruptionsDraft:
        """Its status."""


def judge(case: DisruptionsCase) -> Verdict:
    """Counts the pods that were interrupted, and removes those that are counted."""
    pods = case.pods
    if not pods:
        return GO
    before = case.draft.disruptions
    counted = count_disruptions([*pods, *ended_pods(case)], before)
    case.draft.count(counted)
    limit = case.run_policy.disruption_limit
    if counted.count > limit:
        message = f"pods were interrupted {times(counted.count)} and spec.runPolicy.disruptionLimit is {limit}"
        what = _story_of(counted.newest)
        failure = Broken(Reason.RETRIES_EXHAUSTED, f"{message}; last: {what}" if what else message)
        return Verdict(failure, actions=_removals(pods, counted))
    # Workers that lost each other may have lost the Service.
    missing = (RemakeMissing(),) if counted.newest is not None else ()
    # The status that counts the new ones is not written yet: until then they stay.
    return Verdict(actions=(*_removals(pods, before), *missing))


def _removals(pods: Sequence[Pod], counted: Disruptions) -> tuple[PodAction, ...]:
    return tuple(DeletePod(pod) for pod in superfluous(pods, counted))


def _story_of(pod: Pod | None) -> str:
    if pod is None:
        return ""
    return pod.result.message if pod.result else pod.disruption


def count_disruptions(pods: Sequence[Pod], before: Disruptions) -> Disruptions:
    """The count with the interrupted pods that ended since."""
    new = sorted(
        (pod for pod in pods if pod.was_interrupted and _is_later(pod.finished_at, before.last)),
        key=lambda pod: (pod.finished_at or datetime.min, pod.name),
    )
    if not new:
        return Disruptions(before.count, before.last)
    return Disruptions(before.count + len(new), new[-1].finished_at, new[-1])


def superfluous(pods: Sequence[Pod], counted: Disruptions) -> list[Pod]:
    """The dead pods that need not be kept: all that are counted, but for the last few."""
    dead = sorted(
        (pod for pod in pods if pod.was_interrupted and pod.deleted_at is None and pod.finished_at is not None),
        key=lambda pod: (pod.finished_at or datetime.min, pod.name),
    )
    return [pod for pod in dead[:-KEPT_DEAD_PODS] if not _is_later(pod.finished_at, counted.last)]


def _is_later(time: datetime | None, than: datetime | None) -> bool:
    return time is not None and (than is None or time > than)
