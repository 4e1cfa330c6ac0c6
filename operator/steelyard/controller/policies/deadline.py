"""`runPolicy.activeDeadlineSeconds`: how long a job may take in all."""

from steelyard.contract.stages import Reason
from steelyard.controller.policies.endings import Broken


def judge(limit: int | None, counted: float, what: str) -> Broken | float | None:
    """Broken where the time is up; else the seconds until it will be; None without a deadline.

    Args:
        limit: the field, in seconds; None where it is not given.
        counted: for how long the job has run, since its own start: a Job's startTime is reset when it is suspended.
        what: what still ran, for the message.
    """
    if limit is None:
        return None
    if counted >= limit:
        message = f"{what} still ran after {limit} s (spec.runPolicy.activeDeadlineSeconds)"
        return Broken(Reason.DEADLINE_EXCEEDED, message)
    return float(limit - counted)
