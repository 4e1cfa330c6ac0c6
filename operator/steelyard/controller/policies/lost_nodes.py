"""Pods on dead nodes: they stay Terminating for ever, since no kubelet says that they ended.

Kubernetes makes no other in their place before they have. After a while the operator says it in the kubelet's stead.
"""

from collections.abc import Sequence
from datetime import datetime

from steelyard.controller.observation import Pod


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
