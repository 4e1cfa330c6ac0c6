"""`runPolicy.ttlSecondsAfterFinished`: a job that is over is removed, with all that it owns, so long after its end.

The end is the one that its status tells, whatever the operator did meanwhile: while it was away time went on, and where
a clock jumped back nothing is removed early.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from steelyard.controller.policies.base import EndedJob


def due(job: EndedJob) -> datetime | None:
    """When a job is to be removed; None where it stays, or goes with its owner."""
    return None if job.is_owned else removal_time(job.spec, job.ended)


def removal_time(spec: Mapping[str, Any], ended: datetime | None) -> datetime | None:
    """When a job is to be removed; None where it stays.

    Args:
        spec: of a TrainingJob or a TuningJob, as it is in the cluster: an older CRD may have let in anything.
        ended: status.completionTime; None of a job that is not over.
    """
    policy = spec.get("runPolicy")
    seconds = policy.get("ttlSecondsAfterFinished") if isinstance(policy, Mapping) else None
    if ended is None or not isinstance(seconds, int) or seconds < 0:
        return None
    return ended + timedelta(seconds=seconds)
