"""`runPolicy.disruptionLimit`: how often pods may be lost, evicted or end with "try again", and which are kept.

Kubernetes repeats such a pod without end and keeps every dead one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from steelyard.controller.observation import Pod

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
