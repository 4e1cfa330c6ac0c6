"""`runPolicy.suspend`: a job pauses. Its running stage has no pods meanwhile, no stage begins, and no time counts."""

from datetime import datetime


def seconds_counted(
    started: datetime, suspended_seconds: float, suspended_since: datetime | None, now: datetime
) -> float:
    """How long a job has run, pauses aside.

    Args:
        started: when it began.
        suspended_seconds: the pauses that are over.
        suspended_since: since when the pause lasts that is not over; None where there is none.
        now: the time.
    """
    return ((suspended_since or now) - started).total_seconds() - suspended_seconds
