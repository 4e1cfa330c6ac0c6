"""`runPolicy.ttlSecondsAfterFinished`: a job that is over is removed, with all that it owns, so long after its end.

The end is the one that its status tells, whatever the operator did meanwhile: while it was away time went on, and where
a clock jumped back nothing is removed early.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from steelyard.controller.policies.base import EndedJob


def due(job: EndedJob) -> datetime | None:
    """When a job is to be removed; None where it stays, or goes with its owner."""
    policy = job.spec.get("runPolicy")
    seconds = policy.get("ttlSecondsAfterFinished") if isinstance(policy, Mapping) else None
    if job.is_owned or job.ended is None or not isinstance(seconds, int) or seconds < 0:
        return None
    return job.ended + timedelta(seconds=seconds)
