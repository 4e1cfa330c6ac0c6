"""Pods on dead nodes: they stay Terminating for ever, since no kubelet says that they ended.

Kubernetes makes no other in their place before they have. After a while the operator says it in the kubelet's stead.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from steelyard.controller.observation import Pod
from steelyard.controller.policies.base import GO, GiveUpPod, Verdict


class LostNodesCase(Protocol):
    """What this policy sees of a job."""

    @property
    def pods(self) -> Sequence[Pod] | None:
        """Of the stage that runs; None where nobody looked."""

    @property
    def dead_pod_seconds(self) -> float:
        """How long a pod may be on its way out."""

    @property
    def now(self) -> datetime:
        """The time."""


def judge(case: LostNodesCase) -> Verdict:
    """Gives up the pods that no kubelet will ever end."""
    lost = _lost(case)
    return Verdict(actions=tuple(GiveUpPod(pod) for pod in lost)) if lost else GO


def ended_pods(case: LostNodesCase) -> list[Pod]:
    """Those as they will be at the next look, when they are gone."""
    return [replace(pod, phase="Failed", finished_at=case.now) for pod in _lost(case)]


def _lost(case: LostNodesCase) -> list[Pod]:
    return pods_to_give_up(case.pods or (), case.dead_pod_seconds, case.now)


def pods_to_give_up(pods: Sequence[Pod], after_seconds: float, now: datetime) -> list[Pod]:
    """The pods that Kubernetes took from their node longer than `after_seconds` ago, and that have not ended.

    Their processes may still live: the next attempt's higher number keeps them from writing.
    """
    return [
        pod
        for pod in pods
        if pod.is_disrupted
        and pod.deleted_at is not None
        and pod.phase not in ("Succeeded", "Failed")
        and (now - pod.deleted_at).total_seconds() >= after_seconds
    ]
