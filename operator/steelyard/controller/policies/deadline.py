"""`runPolicy.activeDeadlineSeconds`: how long a job may take in all."""

from datetime import datetime

from steelyard.api.outcome import RunPolicy


def seconds_left(policy: RunPolicy, started: datetime, now: datetime) -> float | None:
    """Seconds until the deadline, 0 or less where it has passed; None without one.

    Counted from the job's own start: a Job's startTime is reset when it is suspended.
    """
    if policy.active_deadline_seconds is None:
        return None
    return policy.active_deadline_seconds - (now - started).total_seconds()
